"""Captions with unusual words inserted, and the words of captions according to coco-caption's own tokeniser."""

from __future__ import annotations

import random
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

PUNCTUATION = ["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";"]

SUBJECTS = [
    "a man",
    "two dogs",
    "the woman",
    "A small child",
    "Three people",
    "An old bus",
    "The cat",
    "a group of surfers",
    "Some birds",
    "People",
]
ACTIONS = [
    "rides",
    "stands next to",
    "is looking at",
    "holding",
    "jumping over",
    "sitting on",
    "plays with",
    "are near",
    "eating",
    "parked by",
]
OBJECTS = [
    "a red bicycle",
    "the table",
    "an umbrella",
    "some food",
    "a stop sign",
    "two kites",
    "its mirror",
    "a pizza",
    "the New York skyline",
    "water",
]
PLACES = [
    "in the street",
    "on a sunny day",
    "at night",
    "near the beach",
    "in front of a building",
    "with a hat",
    "while it rains",
    "by the sea",
]

ODDITIES: dict[str, str] = {
    "contractions": "it's It’s can't won’t don‘t they're I'm we've she'd he'll ain't cannot Cannot y'all y'know isn´t couldn't've "
    "who's-who CAN'T It'S dog's-eye doesnt let's ma'am o'clock o’clock rock'n'roll 'n' c'mon C’mon ne'er e'er s'mores",
    "assimilations": "gonna wanna gotta gimme lemme dunno whatcha 'tis ’tis 'twas 'Twas 'twere 'til 'till ’till 'em 'cause kinda GONNA Gimme",
    "possessives": "dogs' boss's James' men’s children´s Joneses' '90s 90's 1990s' the’s women`s St.'s U.S.'s NASA's x's",
    "quotes": "\"hi\" “hi” ‘hi’ 'hi' ''hi'' ``hi'' `hi` «hi» ‹hi› „hi“ \" ' ” “ ’ ‘ `` '' \"\" “” ’’ '\" 'a' \"a \"5 ‟hi” ‚hi‘ ‛hi",
    "brackets": "(left) [sic] {x} (a (b)) ( ) [ ] () [] {} <b> </b> <br/> <br> <3 >> << < > ((x)) :( (1) (2005) <a href=\"x\">it</a> 〈x〉",
    "units": "5ft 5ft. 6' 5'10\" 10lb. 30mph 5.5kg 100% 99.9% 20°C 20° 5km/h 12oz. 5m² H2O CO₂ 10× 2x 3-D 3D 4x4 16:9 1080p 5-foot-tall",
    "numbers": "1,000 1.5 .5 -5 +5 1,5 10,00,000 1. 3.14.15 1/2 2 1/2 ½ 1½ 3⁄4 ¾ ⅓ ⅔ ⅛ 10/12 1st 2nd 3rd 21st No. 5 no. 7 no. #1 # 1 1-2 1–2 0.5.",
    "abbreviations": "Mr. Mrs. Dr. St. Ave. Blvd. vs. etc. e.g. i.e. Inc. Corp. Co. Ltd. Jr. Sr. Prof. Gen. Mt. Ft. No. Fig. fig. 3 pp. 5 Oct. "
    "Jan. Mon. Calif. Mass. Pa. Del. dept. est. approx. sq. ft. tel. ext. Miss. Art. Prop. pty. ltd. Co. Ltd ca. 1900 al. seq. Bros. Esq.",
    "acronyms": "U.S. U.K. U.S.A. D.C. T.V. t.v. a.m. p.m. A.M. P.M. Ph.D. M.D. B.C. J.R.R. N.Y. R.V. U.S.-led non-U.S. F.B.I. S.U.V. L.A. a.k.a.",
    "ellipses": "... .... ..... .. ...... … . . . . . . . ….. .…. so...and wait… …wait .. . ?... !!! ?! !? ??",
    "dashes": "- -- --- ---- ----- – — ― ‐ ‑ a-b a--b a---b a – b a—b well-known black-and-white t-shirt x-ray co-op T-bone -x x- mid- -5- pre- 80-year-old",
    "slashes": "and/or w/ w/o he/she/it a/b/c/d 24/7 n/a / // \\ km/h black/white-striped TV/DVD 1/2/3 c/o \\/ http:/ s/he",
    "currency": "$5 $ 5 $1,000.00 US$5 A$ £5 €5 5€ ¥100 ¢ 50¢ $5.5M ₹5 ₤ ฿5 $$ £ € ¤",
    "addresses": "http://www.foo.com/a_b?c=d https://x.org www.foo.com foo.com foo.org/bar. www.foo.co.uk/ a@b.com me@x.y.org. <me@x.com> @user #tag "
    "#tag_2 #5 @ ftp://x.y file.txt a.jpg pic.JPG, readme.md foo.net, http://a.b/(c) index.html?",
    "emoji": "😀 👍🏽 ❤️ 👨‍👩‍👧 🇺🇸 ok👍 👍ok ☺ ✈ ★ ♥ → ✓ :) :-) :( ;) :D :P =) :-/ XD <3 ^_^ -_- o_O :o) ¯\\_(ツ)_/¯ (: :'( :O ;-D",
    "accents": "café naïve résumé Zürich Ångström piñata e\u0301tude São crème-brûlée Señor’s œuvre ŒUVRE İstanbul ıspanak straße ﬁre ſun K",
    "scripts": "日本語 中文字 한국어 русский ελληνικά ΌΣΟΣ العربية עברית हिन्दी ไทย テスト、です。 ＡＢＣ １２３ ！ 。 、 ・ ಕನ್ನಡ ٣٤ ৭",
    "entities": "&amp; AT&T AT&amp;T R&B &lt; &gt; &lt;b&gt; &quot;x&quot; &apos;s it&apos;s &nbsp; a&nbsp;b &#39; &eacute; caf&eacute; &mdash; &copy; & && rock&roll S&P-500",
    "times": "5:30 5:30pm 5:30 p.m. 12/25/2012 10-11-12 2012-10-11 Oct. 5, 1999 1990s '90s 90s 5 o'clock 10:15:30 24h 3/4/05. 1999-2000 mid-1990s",
    "telephones": "555-1234 (555) 555-1234 (555)555-1234 555-555-1234 555 555 1234 1-800-555-1234 555.555.1234 +1 555 555 1234 +44 20 7946 0958 911",
    "symbols": "* ** *** ~ ~5 ^ | + ++ = == % § ¶ • · © ® ™ ° × ÷ ± ¬ _ __ ___ snake_case _x_ c++ C# F# a+b A+B a=b a*b \\* @@ ## ² ⁺² ₂ ¡hola! ¿qué?",
    "invisible": "a\u200bb \u200b \ufeffa co\u00adop \u00ad a\u200db \u2060 a\u2028b a\u2029b a\x0bb a\x0cb a\u0085b a\u00a0b \u3000 \x7f \x01 a\x00b \u202e \u0092s \u0093x\u0094",
    "glued": "dog,cat dog.Cat dog;cat dog:cat dog!cat word.word end.The a,b 5,cats (dog).cat dog,,cat dog.. dog., dog?? dog's,cat's \"dog\",",
    "letters": "A. b. I. plan b. X, C. K) (a) a) S. vitamin C. The A. A B. If",
    "capitals": "LG WII NYC AT&T PEPSI-COLA McDonald's O'Neil D'Angelo d'Or L'Oreal Coca-Cola iPhone STOP! OK! Yahoo! E! B&W Q&A",
}  # fmt: skip
"""Unusual words by kind, separated by spaces; those that belong together are combined at random."""


def sentence(rng: random.Random) -> str:
    """An ordinary caption."""
    parts = [rng.choice(SUBJECTS), rng.choice(ACTIONS), rng.choice(OBJECTS), rng.choice(PLACES)]
    return " ".join(parts[: rng.randint(2, 4)]) + rng.choice(["", ".", ".", " .", "!", ",", " "])


def plant(caption: str, rng: random.Random) -> str:
    """Insert one to four unusual words, or runs of them, between words or attached to them."""
    words = caption.split(" ")
    for _ in range(rng.randint(1, 4)):
        kind = ODDITIES[rng.choice(list(ODDITIES))].split(" ")
        first = rng.randrange(len(kind))
        odd = " ".join(kind[first : first + rng.choice([1, 1, 1, 2, 3])])
        index = rng.randint(0, len(words))
        if rng.random() < 0.2 and words:
            index = min(index, len(words) - 1)
            words[index] = rng.choice([words[index] + odd, odd + words[index]])
        else:
            words.insert(index, odd + rng.choice(["", "", "", ".", ",", "!", "'s", '"', ")"]))
    return " ".join(words)


def planted(number: int, seed: int, sentences: list[str] | None = None) -> list[str]:
    """Captions with unusual words, made from `sentences` if these are given."""
    rng = random.Random(seed)
    return [plant(rng.choice(sentences) if sentences else sentence(rng), rng) for _ in range(number)]


def jar_words(captions: Iterable[str]) -> list[list[str]]:
    """The words of captions by PTBTokenizer, called as in coco-caption; white space is reduced to single spaces."""
    import pycocoevalcap

    folder = Path(pycocoevalcap.__path__[0]) / "tokenizer"
    text = "\n".join(" ".join(caption.split()) for caption in captions)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "captions.txt"
        path.write_bytes(text.encode("utf-8", "replace"))
        jar = str(folder / "stanford-corenlp-3.4.1.jar")
        tokeniser = ["java", "-cp", jar, "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
        done = subprocess.run([*tokeniser, str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    lines = [
        [word for word in line.rstrip().split(" ") if word and word not in PUNCTUATION]
        for line in done.stdout.decode("utf-8").split("\n")
    ]
    num_lines = text.count("\n") + 1
    return [*lines, []][:num_lines]
