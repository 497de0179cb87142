"""The rules of the Penn Treebank tokeniser that coco-caption uses, one regular expression each.

A rule's first group is the token; what follows the group is context, which must be there and stays for the next token. Of the rules
that match at a place, the one that reaches furthest wins, its context included; of two that reach equally far, the first.

Source: the behaviour of Stanford CoreNLP 3.4.1's PTBLexer with its default options; Marcus, Santorini and Marcinkiewicz 1993 for the
conventions. The expressions are ours, and speak of the small alphabet of `alphabet.py`: "λ" is any letter beyond ASCII, "٠" any digit
beyond ASCII, "\u0301" a mark on a letter, "§" a symbol that stands alone, "\u0001" what no rule knows.
Differs: rules that would only choose the kind of a mark that is removed afterwards (left or right quotes, a second period after an
abbreviation that ends a sentence) are one rule here.
"""

from __future__ import annotations

import re

_LETTER = "[A-Zλ]"
_LETTER_OR_DIGIT = "[A-Z0-9λ٠]"
_DIGIT = "[0-9٠]"
_SPACE = "[ ]"
_APOSTROPHE = "(?:['’]|&apos;)"
_ANY_APOSTROPHE = "(?:['’‘`]|&apos;)"
_ENTITY_LETTER = "&[aeiou](?:acute|grave|uml);"
_WORD_LETTER = f"(?:[A-Zλ\u0301\u00ad]|{_ENTITY_LETTER})"
_WORD = f"{_WORD_LETTER}(?:{_WORD_LETTER}|{_DIGIT})*(?:[.!?]{_WORD_LETTER}(?:{_WORD_LETTER}|{_DIGIT})*)*"
_VERB_ENDING = f"{_APOSTROPHE}(?:[msd]|re|ve|ll)"
_NOT_ENDING = f"n{_ANY_APOSTROPHE}t"
_NUMBER = f"(?:{_DIGIT}+(?:[.:,\u00ad٫]{_DIGIT}+)*|(?:[.:,\u00ad٫]{_DIGIT}+)+)"
_HYPHEN = "[-_‐]"
_PART = f"{_LETTER_OR_DIGIT}+"
_ELISION = f"(?:[dol]{_ANY_APOSTROPHE}{_LETTER_OR_DIGIT})?"
_THING = f"{_ELISION}{_PART}(?:{_HYPHEN}{_ELISION}{_PART})*"
_CAPITALS = "(?-i:[A-Z])"
_JOINED_CAPITALS = f"{_CAPITALS}+(?:(?:&amp;|[+&]){_CAPITALS}+)+"
_LETTERED_ABBREVIATION = r"(?:[A-Z](?:\.[A-Z])+|(?:Canada|Sino|Korean|EU|Japan|non)-U\.S|U\.S\.-(?:U\.K|U\.S\.S\.R))"
_HYPHENATED = (
    rf"[A-Z0-9][A-Z0-9.,\u00ad]*(?:-(?:{_LETTERED_ABBREVIATION}\.|[A-Z0-9\u00ad]+))+"
)
_SLASHED_PART = "[A-Z0-9]+(?:-[A-Z]+){0,2}"
_SLASHED = rf"{_SLASHED_PART}(?:\\?/{_SLASHED_PART}){{1,2}}"
_IN_SENTENCE = "[,;:、]"

_MONTHS = "Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec"
_DAYS = "Mon|Tues?|Wed|Thu|Thurs|Fri"
_STATES = (
    "Ala|Ariz|(?-i:A)z|(?-i:A)rk|Calif|Colo|Conn|Ct|Dak|(?-i:D)el|Fla|Ga|(?-i:I)ll|Ind|Kans?|Ky|(?-i:L)a|(?-i:M)ass|Md|Mich|Minn|(?-i:M)iss"
    "|Mo|Mont|Neb|Nev|Okla|(?-i:O)re|(?-i:P)a|Penn|Tenn|(?-i:T)ex|Va|Vt|(?-i:W)ash|Wisc?|Wyo"
)
_COMPANIES = "Inc|Cos?|Corp|Pp?t(?-i:[ye])s?|Ltd|Plc|Rt|Bancorp|Dept|Bhd|Assn|Univ|Intl|Sys"
_AFTER_NAMES = r"Jr|Sr|Bros|(?:Ed|Ph)\.D|Blvd|Rd|Esq"
_MEASURES = "tel|est|ext|sq|ft|etc|al|seq|Bldg"
_TITLES = (
    "Mr|Mrs|Ms|(?-i:M)iss|Drs?|Profs?|Sens?|Reps?|Attys?|Lt|Col|Gen|Messrs|Govs?|Adm|Rev|Maj|Sgt|Cpl|Pvt|Capt|Ste?|Ave|Pres|Lieut|Hon"
    "|Brig|Co?mdr|Pfc|Spc|Supts?|Det|Mt|Ft|Adj|Adv|Asst|Assoc|Ens|Insp|Mlle|Mme|Msgr|Sfc"
)
_ABBREVIATION = f"(?:{_MONTHS}|{_DAYS}|{_STATES}|{_COMPANIES}|{_AFTER_NAMES}|{_MEASURES})"
_BEFORE_NAMES = (
    rf"(?:{_LETTERED_ABBREVIATION}|{_TITLES}|vs|Alex|Wm|Jos|Cie|a\.k\.a|cf|TREAS|Ph|Invt|Elec|Natl|M(?-i:[ft])g|[A-Z])"
)
_BEFORE_NUMBERS = r"(?:ca|figs?|prop|nos?|arts?|bldg|pp|op)\."
_OPENERS = (
    "(?-i:A)(?:dditionally|ccording|bout|fter|n|s|t|)|(?-i:B)(?:ut)|(?-i:E)(?:arlier)|(?-i:H)(?:owever|ere|er|e)|(?-i:I)(?:f|n|t)|(?-i:L)(?:ast)|(?-i:M)(?:r\\.|s\\.|any|ore)|(?-i:N)(?:ow)|(?-i:O)(?:ther|nce|ne|ur)|(?-i:S)(?:ince|ome|uch|he|o)|(?-i:T)(?:here|hese|hat|hen|hey|his|he)|(?-i:W)(?:hile|hen|hat|e)|(?-i:Y)(?:et|ou)"
)

_URL = r"https?://[^ \n\"<>|()]+[^ \n\"<>|.!?(){},-]"
_PATH = r"(?:/[^ \n\"<>|()]+[^ \n\"<>|.!?(){},-])?"
_SITE = rf"www\.(?:[^ \n\"<>|.!?(){{}},]+\.)+[A-Z]{{2,4}}{_PATH}"
_DOMAIN = rf"(?:(?-i:[^ \n\"`'<>|.!?(){{}},-_$])+\.)+(?:com|net|org|edu){_PATH}"
_MAIL = r"(?:&lt;|<)?[A-Z0-9][^ \n\"<>|(){}]*@(?:[^ \n\"<>|(){}.]+\.)*[^ \n\"<>|(){}.]+(?:&gt;|>)?"
_TAG_NAME = "[A-Z][A-Z0-9_:.-]*"
_TAG = (
    rf"<(?:[!?][A-Z-][^>]*|/?{_TAG_NAME}(?:[ ]+(?:{_TAG_NAME}(?:[ ]*=[ ]*['\"][^'\"]*['\"])?|['\"][^'\"]*['\"]|[ ]*/))*[ ]*/?)[ ]*>"
)
_PHONE = (
    r"(?:\([0-9]{2,3}\)[ ]?|(?:\+\+?)?(?:[0-9]{2,4}[- ])?[0-9]{2,4}[- ])[0-9]{3,4}[- ]?[0-9]{3,5}"
    r"|(?:(?:\+\+?)?[0-9]{2,4}\.)?[0-9]{2,4}\.[0-9]{3,4}\.[0-9]{3,5}"
)
_APOSTROPHE_WORDS = (
    f"(?-i:[A-HJ-XZn]){_ANY_APOSTROPHE}{_LETTER}{{2,}}|{_APOSTROPHE}n{_APOSTROPHE}?|[ldj]{_APOSTROPHE}|Dunkin{_APOSTROPHE}|somethin{_APOSTROPHE}|ol{_APOSTROPHE}|{_APOSTROPHE}em"
    f"|{_APOSTROPHE}[2-9]0s|{_APOSTROPHE}till?"
    f"|{_LETTER}+[aeiouy]{_ANY_APOSTROPHE}(?-i:[aeiouA-Z]){_LETTER}*|{_APOSTROPHE}cause|cont'd\\.?|nor'easter|c'mon|e'er|s'mores|ev'ry"
    f"|li'l|nat'l|O{_ANY_APOSTROPHE}o"
)
_FILE = (
    rf"(?:{_WORD_LETTER}|{_DIGIT})+(?:\.(?:{_WORD_LETTER}|{_DIGIT})+)*\.(?:bat|bmp|c|h|class|cgi|cpp|dll|docx?|exe|gif|gz|html?|jar|java|jpe?g|mov|mp3|pdf|php|pl|png|pptx?"
    "|ps|py|sql|tar|txt|wav|x|xml|zip|3gp|wm[va]|avi|flv|mp[34])"
)

RULES: list[tuple[str, str]] = [
    ("plain", r"(c\+\+|[cf]#)"),
    ("plain", "(can)not"),
    ("plain", f"({_APOSTROPHE}t)was"),
    ("plain", f"({_APOSTROPHE}t)is"),
    ("plain", "(gon|wan)na|(got)ta|(lem|gim)me"),
    ("spaces", f"({_TAG})"),
    ("removed", "(&(?:MD|mdash|ndash);|–)"),
    ("entity", "(&amp;)"),
    ("plain", "(&(?:HT|TL|UR|LR|QC|QL|QR|odq|cdq|#[0-9]+);)"),
    ("word", f"({_WORD}){_VERB_ENDING}"),
    ("word", f"([A-Z\u00ad]*[A-MO-Z]\u00ad*){_NOT_ENDING}"),
    ("word", f"({_WORD})"),
    ("plain", f"({_APOSTROPHE_WORDS})"),
    ("plain", f"(y{_APOSTROPHE}){_LETTER}"),
    ("plain", f"({_URL})"),
    ("plain", f"({_SITE})"),
    ("plain", f"({_DOMAIN})"),
    ("plain", f"({_MAIL})"),
    ("plain", f"(@[A-Z_][A-Z_0-9]*|#{_WORD_LETTER}+)"),
    ("quotes", f"({_VERB_ENDING})[^A-Z]"),
    ("quotes", f"({_NOT_ENDING})"),
    ("plain", f"({_DIGIT}{{1,2}}[-/]{_DIGIT}{{1,2}}[-/]{_DIGIT}{{2,4}})"),
    ("word", f"([-+]?{_NUMBER})"),
    ("plain", "(⁺?(?:²+|₀+))"),
    ("spaces", rf"((?:{_DIGIT}{{1,4}}[- ])?{_DIGIT}{{1,4}}(?:\\?/|⁄){_DIGIT}{{1,4}})"),
    ("fraction", "(½)"),
    ("entity", f"(-(?:RRB|LRB|RCB|LCB|RSB|LSB)-|C\\.D\\.s|pro-|anti-|S(?:&|&amp;)P-500|S(?:&|&amp;)Ls|Cap{_APOSTROPHE}n|c{_APOSTROPHE}est)"),
    ("plain", f"({_SLASHED})"),
    ("plain", r"((?-i:[A-Z])*\$|#)"),
    ("currency", "(€)"),
    ("acronym", rf"([A-Z])\.[ \n]+(?:{_OPENERS}|{_TAG})[ \n]"),
    ("plain", rf"({_BEFORE_NUMBERS})[ \n]?[0-9٠]"),
    ("plain", rf"({_ABBREVIATION}\.)[^\0]{{2}}"),
    ("plain", rf"({_BEFORE_NAMES}\.)"),
    ("plain", f"({_BEFORE_NAMES})[ ]"),
    ("plain", f"({_LETTERED_ABBREVIATION})[ \n]"),
    ("plain", f"({_APOSTROPHE}[0-9][0-9])[ \n]"),
    ("plain", f"({_FILE})[ \n.?!,]"),
    ("word", rf"({_WORD}\.){_IN_SENTENCE}"),
    ("phone", f"({_PHONE})"),
    ("quotes", '("|&quot;)'),
    ("skipped", "(\x7f)"),
    ("angle", "(<|>|&lt;|&gt;)"),
    ("bracket", r"([<>]?[:;=](?-i:[-o*']?[()DPdpO\\{@|\[\]]))[^A-Z0-9]"),
    ("bracket", r"([\^x=~<>]\.\[\^x=[^\n]*?<>\]|(?-i:[-^x=~<>']_[-^x=~<>'])|\([-^x=~<>'][_.]?[-^x=~<>']\)|\([\^x=~<>']-[\^x=~<>'`]\))"),
    ("bracket", r"([\[\](){}])"),
    ("dashes", "(-+)"),
    ("removed", r"(\.{3,5}|(?:\.[ ]){2,4}\.|…)"),
    ("plain", r"(@+|#+|_+)"),
    ("plain", r"(\*+|(?:\\\*){1,3})"),
    ("plain", f"({_IN_SENTENCE})"),
    ("plain", "([?!]+)"),
    ("plain", r"([.])"),
    ("plain", "(=)"),
    ("plain", "(/)"),
    ("word", rf"({_HYPHENATED}\.){_IN_SENTENCE}"),
    ("word", f"({_HYPHENATED})"),
    ("plain", rf"({_THING}\.){_IN_SENTENCE}"),
    ("plain", f"({_THING})"),
    ("entity", rf"({_JOINED_CAPITALS}\.){_IN_SENTENCE}"),
    ("entity", f"({_JOINED_CAPITALS})"),
    ("quotes", "(')[A-Z][^ \n]"),
    ("quotes", f"({_VERB_ENDING})"),
    ("quotes", "([`‘’“]{1,2}|''|'|&apos;)"),
    ("plain", "(<<|>>)"),
    ("plain", r"([+%&~^|\\§⁺²₀⁄])"),
    ("skipped", "([ ]+|\u200b|&nbsp;)"),
]
"""What becomes of a match, and its expression, in the order that settles ties."""

EXPRESSIONS = [(what, re.compile(expression, re.IGNORECASE | re.ASCII)) for what, expression in RULES]
