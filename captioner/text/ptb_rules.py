"""The rules of the Penn Treebank tokeniser that coco-caption calls, one regular expression each.

The first group of a rule is the token; the rest is context, which must match and is left for the next token. Of the rules that match
at an index, the one with the longest match wins, context included; of two equally long, the first.

The expressions use the small alphabet of ptb_alphabet.py: "λ" is any letter beyond ASCII, "٠" any digit beyond ASCII, U+0301 a
combining mark, "§" a symbol that is a token of its own, U+0001 a character that no rule matches. They ignore case, except in `(?-i:...)`.

Source: the behaviour of PTBLexer in Stanford CoreNLP 3.4.1 with default options. The expressions are ours; the lists of abbreviations
are facts of that lexer, oddities included ("pte." is one, "PTE." is not).
Differs: rules that only choose the form of a mark which is removed afterwards (left or right quotes, a second period after an
abbreviation at a sentence's end) are one rule here.
"""

from __future__ import annotations

import re

_CASELESS = re.IGNORECASE | re.ASCII

# Letters, digits, numbers and words
_L = "[A-Zλ]"
_D = "[0-9٠]"
_LD = "[A-Zλ0-9٠]"
_APOSTROPHE = "(?:['’]|&apos;)"
_ANY_APOSTROPHE = "(?:['’‘`]|&apos;)"
_WORD_LETTER = "(?:[A-Zλ\u0301\u00ad]|&[aeiou](?:acute|grave|uml);)"
_WORD_PART = f"{_WORD_LETTER}(?:{_WORD_LETTER}|{_D})*"
_WORD = f"{_WORD_PART}(?:[.!?]{_WORD_PART})*"
_VERB_ENDING = f"{_APOSTROPHE}(?:[msd]|re|ve|ll)"
_NOT_ENDING = f"n{_ANY_APOSTROPHE}t"
_NUMBER = f"[-+]?(?:{_D}+(?:[.:,\u00ad٫]{_D}+)*|(?:[.:,\u00ad٫]{_D}+)+)"
_DATE = f"{_D}{{1,2}}[-/]{_D}{{1,2}}[-/]{_D}{{2,4}}"
_FRACTION = rf"(?:{_D}{{1,4}}[- ])?{_D}{{1,4}}(?:\\?/|⁄){_D}{{1,4}}"
_ELISION = f"(?:[dol]{_ANY_APOSTROPHE}{_LD})?"
_THING = f"{_ELISION}{_LD}+(?:[-_‐]{_ELISION}{_LD}+)*"
_INITIALS = r"(?:[A-Z](?:\.[A-Z])+|(?:Canada|Sino|Korean|EU|Japan|non)-U\.S|U\.S\.-(?:U\.K|U\.S\.S\.R))"
_HYPHENATED = rf"[A-Z0-9][A-Z0-9.,\u00ad]*(?:-(?:{_INITIALS}\.|[A-Z0-9\u00ad]+))+"
_JOINED_CAPITALS = "(?-i:[A-Z])+(?:(?:&amp;|[+&])(?-i:[A-Z])+)+"
_SLASHED_PART = "[A-Z0-9]+(?:-[A-Z]+){0,2}"
_SLASHED = rf"{_SLASHED_PART}(?:\\?/{_SLASHED_PART}){{1,2}}"
_PAUSE = "[,;:、]"
_APOSTROPHE_WORDS = (
    f"(?-i:[A-HJ-XZn]){_ANY_APOSTROPHE}{_L}{{2,}}|{_APOSTROPHE}n{_APOSTROPHE}?|[ldj]{_APOSTROPHE}|Dunkin{_APOSTROPHE}"
    f"|somethin{_APOSTROPHE}|ol{_APOSTROPHE}|{_APOSTROPHE}em|{_APOSTROPHE}[2-9]0s|{_APOSTROPHE}till?|{_APOSTROPHE}cause"
    f"|{_L}+(?-i:[aeiouyAEIOUY]){_ANY_APOSTROPHE}(?-i:[aeiouA-Z]){_L}*|cont'd\\.?|nor'easter|c'mon|e'er|s'mores|ev'ry|li'l"
    f"|nat'l|O{_ANY_APOSTROPHE}o"
)
_COMPOUNDS = f"-(?:RRB|LRB|RCB|LCB|RSB|LSB)-|C\\.D\\.s|pro-|anti-|S(?:&|&amp;)P-500|S(?:&|&amp;)Ls|Cap{_APOSTROPHE}n|c{_APOSTROPHE}est"

# Abbreviations: before small words, before names, before numbers
_MONTHS_AND_DAYS = "Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Mon|Tues?|Wed|Thu|Thurs|Fri"
_STATES = (
    "Ala|Ariz|(?-i:A)z|(?-i:A)rk|Calif|Colo|Conn|Ct|Dak|(?-i:D)el|Fla|Ga|(?-i:I)ll|Ind|Kans?|Ky|(?-i:L)a|(?-i:M)ass|Md|Mich|Minn"
    "|(?-i:M)iss|Mo|Mont|Neb|Nev|Okla|(?-i:O)re|(?-i:P)a|Penn|Tenn|(?-i:T)ex|Va|Vt|(?-i:W)ash|Wisc?|Wyo"
)
_COMPANIES = "Inc|Cos?|Corp|Pp?t(?-i:[ye])s?|Ltd|Plc|Rt|Bancorp|Bhd|Assn|Univ|Intl|Sys"
_AFTER_NAMES = r"Jr|Sr|Bros|(?:Ed|Ph)\.D|Blvd|Rd|Esq|tel|est|ext|sq|etc|al|seq|Bldg"
_ABBREVIATIONS = f"{_MONTHS_AND_DAYS}|{_STATES}|{_COMPANIES}|{_AFTER_NAMES}"
_TITLES = (
    "Mr|Mrs|Ms|(?-i:M)iss|Drs?|Profs?|Sens?|Reps?|Attys?|Lt|Col|Gen|Messrs|Govs?|Adm|Rev|Maj|Sgt|Cpl|Pvt|Capt|Ste?|Ave|Pres"
    "|Lieut|Hon|Brig|Co?mdr|Pfc|Spc|Supts?|Det|Mt|Ft|Adj|Adv|Asst|Assoc|Ens|Insp|Mlle|Mme|Msgr|Sfc"
)
_BEFORE_NAMES = (
    rf"(?:{_INITIALS}|{_TITLES}|vs|Alex|Wm|Jos|Cie|a\.k\.a|cf|TREAS|Ph|Dept|Invt|Elec|Natl|M(?-i:[ft])g|[A-Z])"
)
_BEFORE_NUMBERS = "(?:ca|figs?|prop|nos?|art|bldg|pp|op)"
_OPENERS = (
    r"(?-i:A)(?:dditionally|ccording|bout|fter|n|s|t)?|(?-i:B)ut|(?-i:E)arlier|(?-i:H)(?:owever|ere|er|e)|(?-i:I)[fnt]|(?-i:L)ast"
    r"|(?-i:M)(?:r\.|s\.|any|ore)|(?-i:N)ow|(?-i:O)(?:ther|nce|ne|ur)|(?-i:S)(?:ince|ome|uch|he|o)"
    r"|(?-i:T)(?:here|heir|hese|hat|hen|hey|his|he)|(?-i:W)(?:hile|hen|hat|e)|(?-i:Y)(?:et|ou)"
)

# Things of the web, telephones, faces
_URL = r"https?://[^ \n\"<>|(){}]+[^ \n\"<>|.!?(){},-]"
_PATH = r"/[^ \n\"<>|()]+[^ \n\"<>|.!?(){},-]"
_SITE = r"www\.(?:[^ \n\"<>|.!?(){},]+\.)+[A-Z]{2,4}"
_DOMAIN = r"(?:(?-i:[^ \n\"`'<>|.!?(){},-_$])+\.)+(?:com|net|org|edu)"  # from "," to "_", as in the source
_MAIL = r"(?:&lt;|<)?[A-Z0-9][^ \n\"<>|(){}]*@(?:[^ \n\"<>|(){}.]+\.)*[^ \n\"<>|(){}.]+(?:&gt;|>)?"
_TAG_NAME = "[A-Z][A-Z0-9_:.-]*"
_TAG_VALUE = "(?:'[^']*'|\"[^\"]*\")"
_TAG = f"<(?:[!?][A-Z-][^>\n]*|{_TAG_NAME}(?: +{_TAG_NAME}(?: *= *{_TAG_VALUE})?)* */?|/{_TAG_NAME}) *>"
_FILE_ENDING = (
    "bat|bmp|class|cgi|cpp|c|dll|docx?|exe|gif|gz|html?|h|jar|java|jpe?g|mov|mp3|pdf|php|pl|png|ppt|ps|py|sql|tar|txt"
    "|wav|xml|x|zip"
)
_FILE = rf"(?:{_WORD_LETTER}|{_D})+(?:\.(?:{_WORD_LETTER}|{_D})+)*\.(?:{_FILE_ENDING})"
_PHONE = (
    r"(?:\([0-9]{2,3}\) ?|(?:\+\+?)?(?:[0-9]{2,4}[- ])?[0-9]{2,4}[- ])[0-9]{3,4}[- ]?[0-9]{3,5}"
    r"|(?:(?:\+\+?)?[0-9]{2,4}\.)?[0-9]{2,4}\.[0-9]{3,4}\.[0-9]{3,5}"
)
_FACE = r"[<>]?[:;=](?-i:[-o*']?[()DPdpO\\{@|\[\]])"
_ASIAN_FACE = r"(?-i:[\^x=~<>])\.\[\^x=[^\n]*?<>\]|(?-i:[-^x=~<>']_[-^x=~<>']|\([-^x=~<>'][_.]?[-^x=~<>']\)|\([\^x=~<>']-[\^x=~<>'`]\))"

RULES: list[tuple[str, str]] = [
    ("as it is", r"(c\+\+|[cf]#)"),
    ("as it is", "(can)not|('t)was"),
    ("as it is", "('t)is|(gon|wan)na|(got)ta|(lem|gim)me"),
    ("spaced", f"({_TAG})"),
    ("dash", "(&(?:MD|mdash|ndash);|–)"),
    ("ampersands", "(&amp;)"),
    ("as it is", "(&(?:HT|TL|UR|LR|QC|QL|QR|odq|cdq|#[0-9]+);)"),
    ("word", f"({_WORD}){_VERB_ENDING}"),
    ("word", f"([A-Z\u00ad]*[A-MO-Z]\u00ad*){_NOT_ENDING}"),
    ("word", f"({_WORD})"),
    ("as it is", f"({_APOSTROPHE_WORDS})"),
    ("as it is", f"(y{_APOSTROPHE}){_L}"),
    ("as it is", f"({_URL})"),
    ("as it is", f"({_SITE})"),
    ("as it is", f"({_SITE}{_PATH})"),
    ("as it is", f"({_DOMAIN})"),
    ("as it is", f"({_DOMAIN}{_PATH})"),
    ("as it is", f"({_MAIL})"),
    ("as it is", f"(@[A-Z_][A-Z_0-9]*|#{_WORD_LETTER}+)"),
    ("quotes", f"({_VERB_ENDING})[^A-Z]"),
    ("quotes", f"({_NOT_ENDING})"),
    ("as it is", f"({_DATE})"),
    ("word", f"({_NUMBER})"),
    ("as it is", "(⁺?(?:²+|₀+))"),
    ("spaced", f"({_FRACTION})"),
    ("fraction", "(½)"),
    ("ampersands", f"({_COMPOUNDS})"),
    ("as it is", f"({_SLASHED})"),
    ("as it is", r"((?-i:[A-Z])*\$|#)"),
    ("currency", "(€)"),
    ("as it is", rf"([A-Z])\.[ \n]+(?:{_OPENERS}|{_TAG})[ \n]"),
    ("as it is", rf"({_BEFORE_NUMBERS}\.)[ \n]?{_D}"),
    ("as it is", r"((?:pt[ey]|co)\.) (?:ltd|lim)"),
    ("as it is", rf"((?:{_ABBREVIATIONS})\.)[^\0]{{2}}"),
    ("as it is", rf"({_BEFORE_NAMES}\.)"),
    ("as it is", f"({_BEFORE_NAMES}) "),
    ("as it is", f"({_INITIALS})[ \n]"),
    ("as it is", f"({_APOSTROPHE}[0-9][0-9])[ \n]"),
    ("as it is", f"({_FILE})[ \n.?!,]"),
    ("word", rf"({_WORD}\.){_PAUSE}"),
    ("phone", f"({_PHONE})"),
    ("quotes", '("|&quot;)'),
    ("angle", "(<|>|&lt;|&gt;)"),
    ("face", f"({_FACE})[^A-Z0-9]"),
    ("face", f"({_ASIAN_FACE})"),
    ("bracket", r"([\[\](){}])"),
    ("dash", "(-+)"),
    ("nothing", r"(\.{3,5}|(?:\. ){2,4}\.|…)"),
    ("as it is", r"(@+|#+|_+|\*+|(?:\\\*){1,3}|[?!]+|[,;:、.=/]|<<|>>)"),
    ("word", rf"({_HYPHENATED}\.){_PAUSE}"),
    ("word", f"({_HYPHENATED})"),
    ("as it is", rf"({_THING}\.){_PAUSE}"),
    ("as it is", f"({_THING})"),
    ("ampersands", rf"({_JOINED_CAPITALS}\.){_PAUSE}"),
    ("ampersands", f"({_JOINED_CAPITALS})"),
    ("quotes", "(')[A-Z][^ \n]"),
    ("quotes", f"({_VERB_ENDING})"),
    ("quotes", "([`‘’“]{1,2}|''|'|&apos;)"),
    ("as it is", r"([+%&~^|\\§⁺²₀⁄])"),
    ("nothing", "( +|[\u200b\x7f]|&nbsp;)"),
]
"""What becomes of a match (a name in `ptb.FORMS`), and its expression, in the order that settles ties."""

EXPRESSIONS = [(form, re.compile(expression, _CASELESS)) for form, expression in RULES]

SPLIT_WORDS = "cannot|gonna|wanna|gotta|lemme|gimme"
PLAIN_CHUNK = re.compile(
    rf"(?!(?:{SPLIT_WORDS})\b|(?:{_ABBREVIATIONS}|{_BEFORE_NAMES}|{_BEFORE_NUMBERS}|pt[ey])\.)([A-Z]+)[,.]?", _CASELESS
)
"""A word, perhaps with a comma or period, that no rule but the one for words can touch."""

NEEDS_MORE = re.compile(r"[\d<&.]")
"""Found in every chunk between spaces whose words may depend on the chunks around it."""
