"""American for British spelling, by a list of words whose meaning does not depend on it."""

import re

# Beginnings of words, and their endings: `col` is that of colour, coloured, colourful.
OUR = (
    "arb ard arm behavi belab cand clam col demean discol dishon enam endeav fav ferv flav harb hon hum lab "
    "misbehavi multicol neighb od parl ranc rig rum sav savi splend succ tum unfav val vap vig watercol"
)
OUR_ENDINGS = ("", "s", "ed", "ing", "able", "ably", "ful", "fully", "less", "ite", "ites", "er", "ers", "ly", "y")
OUR_ENDINGS += ("hood", "hoods")
ISE = (
    "agon apolog author capital categor character civil computer critic disorgan dramat emphas energ equal "
    "fantas final general glamor harmon hospital hypnot ideal immortal jeopard legal local maxim memor mesmer "
    "minim mobil modern monopol normal optim organ patron penal personal polar popular priorit public real "
    "recogn romantic sanit scrutin sensational sexual social special stabil standard steril stigmat styl "
    "summar symbol sympath synchron terror theor traumat trivial unreal unrecogn util vandal verbal victim "
    "visual vocal western"
)
ISE_ENDINGS = {"ise": "ize", "ises": "izes", "ised": "ized", "iser": "izer", "isers": "izers", "ising": "izing"}
ISE_ENDINGS |= {"isation": "ization", "isations": "izations", "isable": "izable"}
RE = "amphitheat calib cent centimet epicent fib kilomet lit lust meag met millimet sab somb spect theat"
DOUBLED = (
    "cancel channel counsel dial duel enamel equal fuel grovel jewel label level libel marvel medal model "
    "panel pencil quarrel rival shovel shrivel signal snivel spiral swivel total towel travel tunnel unravel "
    "yodel"
)
DOUBLED_ENDINGS = ("ed", "ing", "er", "ers", "or", "ors", "ous", "ously", "ery", "est", "ist", "ists")
SINGLES = {
    "aeroplane": "airplane", "aeroplanes": "airplanes", "ageing": "aging", "aluminium": "aluminum",
    "anaesthetic": "anesthetic", "analogue": "analog", "analyse": "analyze", "analysed": "analyzed",
    "analysing": "analyzing", "catalogue": "catalog", "catalogues": "catalogs", "cheque": "check", "cheques": "checks",
    "cosier": "cozier", "cosy": "cozy", "cosily": "cozily", "defence": "defense", "defences": "defenses",
    "defenceless": "defenseless", "draught": "draft", "draughts": "drafts", "draughty": "drafty", "enrol": "enroll",
    "fulfil": "fulfill", "fulfils": "fulfills", "fulfilment": "fulfillment", "grey": "gray", "greyer": "grayer",
    "greyish": "grayish", "greys": "grays", "instalment": "installment", "instalments": "installments",
    "jewellery": "jewelry", "judgement": "judgment", "judgements": "judgments", "kerb": "curb",
    "licence": "license", "licences": "licenses",
    "manoeuvre": "maneuver", "manoeuvres": "maneuvers", "mediaeval": "medieval", "mould": "mold", "moulds": "molds",
    "mouldy": "moldy", "moustache": "mustache", "moustaches": "mustaches", "offence": "offense",
    "offences": "offenses",
    "paralyse": "paralyze", "paralysed": "paralyzed", "paralysing": "paralyzing", "plough": "plow",
    "ploughed": "plowed", "ploughing": "plowing", "practise": "practice",
    "practised": "practiced", "practising": "practicing", "pretence": "pretense", "pretences": "pretenses",
    "programme": "program", "programmes": "programs", "pyjamas": "pajamas", "sceptic": "skeptic",
    "sceptical": "skeptical", "scepticism": "skepticism", "sceptics": "skeptics", "skilful": "skillful",
    "skilfully": "skillfully", "smoulder": "smolder", "smouldering": "smoldering", "storey": "story",
    "tyre": "tire", "tyres": "tires", "unskilful": "unskillful", "wilful": "willful", "wilfully": "willfully",
    "woollen": "woolen",
}  # fmt: skip


def spellings() -> dict[str, str]:
    """{British: American}, in small letters."""
    found = {f"{stem}our{end}": f"{stem}or{end}" for stem in OUR.split() for end in OUR_ENDINGS}
    found |= {f"{stem}{a}": f"{stem}{b}" for stem in ISE.split() for a, b in ISE_ENDINGS.items()}
    found |= {f"{stem}re{end}": f"{stem}er{end}" for stem in RE.split() for end in ("", "s")}
    found["centred"] = "centered"
    # In American the last letter of the beginning is not doubled.
    found |= {f"{stem}l{end}": f"{stem}{end}" for stem in DOUBLED.split() for end in DOUBLED_ENDINGS}
    return found | SINGLES


SPELLINGS = spellings()
WORD = re.compile(r"[A-Za-z]+")


def american(text: str) -> str:
    """The text with American for British spelling; capitals stay."""
    return WORD.sub(lambda found: as_capitals(found[0], SPELLINGS.get(found[0].lower(), found[0])), text)


def as_capitals(word: str, other: str) -> str:
    """`other` with the capitals of `word`: all, the first, or none."""
    if word.lower() == other.lower():
        return word
    return other.upper() if word.isupper() and len(word) > 1 else other.capitalize() if word[0].isupper() else other
