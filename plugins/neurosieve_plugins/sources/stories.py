"""The word problems, remarks and asides that the source `arithmetic` is made of."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["FAMILIAR", "NAMES", "OPENINGS", "STEPS", "STORIES", "THOUGHTS", "UNFAMILIAR", "Step", "Story"]


class Step(NamedTuple):
    """One line of a solution: `left` and `right`, joined by `sign`, give `result`, which is `what`."""

    result: str
    what: str
    left: str
    sign: str
    right: str


class Story(NamedTuple):
    """A word problem: its numbers are drawn, its steps are computed, and the last of them is the answer."""

    problem: str
    goal: str
    numbers: Mapping[str, Sequence[int]]
    steps: Sequence[Step]
    asides: Sequence[str]
    """Decoys: remarks of its world, in words that could be of a correction and are not."""


STORIES = (
    Story(
        "{name} bakes {trays} trays of {each} rolls each, sells {sold} of them before noon and bags the rest. "
        "Every roll in a bag costs {price} cents. How many cents are the bags worth?",
        "what the bags are worth",
        {"trays": range(6, 20), "each": range(12, 40), "sold": range(11, 70), "price": range(15, 90, 5)},
        (
            Step("rolls", "the rolls on all trays", "trays", "×", "each"),
            Step("left", "the rolls that are left", "rolls", "-", "sold"),
            Step("worth", "the price of those", "left", "×", "price"),
        ),
        (
            "The bakery actually sells rye bread too, but nobody asks for that.",
            "People wait ten minutes in line here, which does not matter.",
            "The trays are on the right-hand shelf.",
        ),
    ),
    Story(
        "A train leaves at noon with {start} people. At the first stop {off} get off and {on} get on. "
        "Each of those on board then pays {fare} coins for a seat. How many coins does the guard, {name}, collect?",
        "the coins that {name} collects",
        {"start": range(120, 400), "off": range(25, 110), "on": range(14, 98), "fare": range(3, 13)},
        (
            Step("stay", "the people who stay on", "start", "-", "off"),
            Step("board", "those on board then", "stay", "+", "on"),
            Step("coins", "the coins", "board", "×", "fare"),
        ),
        (
            "Some passengers wait ten minutes for the bus instead.",
            "The next stop is three miles on, and that's not far.",
            "The clerk made a mistake on Tuesday, but this is another day.",
        ),
    ),
    Story(
        "{name} digs {beds} flower beds and wants {bulbs} bulbs in each. The shed already holds {stock} bulbs. "
        "How many more must be bought?",
        "the bulbs still to buy",
        {"beds": range(12, 50), "bulbs": range(14, 60), "stock": range(20, 150)},
        (
            Step("all", "the bulbs in all beds", "beds", "×", "bulbs"),
            Step("buy", "what must be bought", "all", "-", "stock"),
        ),
        (
            "Tulips can wait until October, by the way.",
            "The wrong season would be a worry, but spring is fine.",
            "The neighbor planted them again after the frost, a nice thing to know.",
        ),
    ),
    Story(
        "A library lends {daily} books a day for {days} days. {name} counts {back} that are back in time. "
        "How many books are late?",
        "the late books",
        {"daily": range(14, 60), "days": range(6, 30), "back": range(12, 78)},
        (
            Step("lent", "the books lent", "daily", "×", "days"),
            Step("late", "the books that are late", "lent", "-", "back"),
        ),
        (
            "A librarian corrects the labels on Mondays, which changes nothing here.",
            "Readers wait a week for new novels.",
            "One shelf is labelled Trial and Error, a funny name.",
        ),
    ),
    Story(
        "{name} saves {weekly} dollars a week for {weeks} weeks, gets {gift} dollars from an aunt and buys a bicycle "
        "with all of it. How many dollars is the bicycle?",
        "the price of the bicycle",
        {"weekly": range(14, 40), "weeks": range(16, 45), "gift": range(25, 190)},
        (
            Step("saved", "the savings", "weekly", "×", "weeks"),
            Step("all", "the savings with the gift", "saved", "+", "gift"),
        ),
        (
            "A good bicycle is worth the wait, they say.",
            "The shop on the right side of the road is closed on Sundays.",
            "The aunt once lent money to the wrong nephew, but that is another story.",
        ),
    ),
    Story(
        "A farm fills {crates} crates with {each} apples each. {name} throws {bad} bad ones away and sells the rest in "
        "bags of {bag}. How many good apples are there?",
        "the number of good apples",
        {"crates": range(11, 40), "each": range(14, 48), "bad": range(12, 90), "bag": range(4, 10)},
        (
            Step("all", "the apples in all crates", "crates", "×", "each"),
            Step("good", "the good apples", "all", "-", "bad"),
        ),
        (
            "The size of a bag is not needed, so there is nothing wrong with leaving it out.",
            "Pears have to wait for September.",
            "The pickers actually start at dawn.",
        ),
    ),
    Story(
        "{name} drives {hours} hours at {speed} miles an hour, then walks {walk} miles to a cabin. "
        "How many miles is the whole way?",
        "the miles of the whole way",
        {"hours": range(3, 19), "speed": range(36, 68), "walk": range(3, 35)},
        (
            Step("drive", "the drive", "hours", "×", "speed"),
            Step("way", "the whole way", "drive", "+", "walk"),
        ),
        (
            "The cabin is on the right after the bridge.",
            "The ferry has a wait of an hour, but there is no ferry on this road.",
            "A wrong turn would be longer, and nobody takes one here.",
        ),
    ),
    Story(
        "{name} buys {small} small lamps at {low} dollars and {large} large ones at {high} dollars. "
        "How many dollars do all the lamps cost?",
        "what all the lamps cost",
        {"small": range(12, 48), "low": range(7, 30), "large": range(6, 28), "high": range(31, 90)},
        (
            Step("cheap", "the small lamps", "small", "×", "low"),
            Step("dear", "the large lamps", "large", "×", "high"),
            Step("cost", "both together", "cheap", "+", "dear"),
        ),
        (
            "The store actually sells chairs as well.",
            "Delivery means a wait of two days, which costs nothing.",
            "Last year the invoice had an error in the address, not in the sum.",
        ),
    ),
    Story(
        "A school has {classes} classes of {pupils} pupils. On the day of the trip {ill} pupils are ill. {name} hires "
        "buses at {price} coins a pupil. How many coins does the trip cost?",
        "the cost of the trip in coins",
        {"classes": range(6, 21), "pupils": range(17, 33), "ill": range(7, 50), "price": range(4, 19)},
        (
            Step("all", "the pupils of the school", "classes", "×", "pupils"),
            Step("going", "the pupils who go", "all", "-", "ill"),
            Step("cost", "the cost", "going", "×", "price"),
        ),
        (
            "The pupils wait in the yard, two by two.",
            "The teacher corrects spelling on the bus, which is free.",
            "One driver went to the wrong gate last year.",
        ),
    ),
    Story(
        "{name} lets {rate} liters a minute into a tank for {minutes} minutes, and {leak} liters leak out. "
        "How many liters stay inside?",
        "the liters inside",
        {"rate": range(24, 60), "minutes": range(12, 33), "leak": range(21, 190)},
        (
            Step("flow", "what flows in", "rate", "×", "minutes"),
            Step("inside", "what stays inside", "flow", "-", "leak"),
        ),
        (
            "The pump needs a wait of a minute to start, which is not counted.",
            "The valve on the right is shut.",
            "The gauge has a small error, too small to matter.",
        ),
    ),
    Story(
        "{name} turns {pages} pages a day for {days} days and finds that {skipped} of these were pictures. "
        "How many pages of text is that?",
        "the pages of text",
        {"pages": range(16, 48), "days": range(6, 44), "skipped": range(13, 80)},
        (
            Step("all", "all the pages", "pages", "×", "days"),
            Step("text", "the pages of text", "all", "-", "skipped"),
        ),
        (
            "The hero makes a mistake in chapter two, a sad scene.",
            "The sequel can wait.",
            "It is actually a rather long book.",
        ),
    ),
    Story(
        "A theater has {rows} rows of {seats} seats. In the evening {empty} seats stay empty, and everyone else pays "
        "{price} dollars. {name} counts the money. How many dollars are there?",
        "the dollars that {name} counts",
        {"rows": range(14, 36), "seats": range(16, 42), "empty": range(15, 140), "price": range(6, 25)},
        (
            Step("all", "the seats of the house", "rows", "×", "seats"),
            Step("taken", "the seats taken", "all", "-", "empty"),
            Step("money", "the money", "taken", "×", "price"),
        ),
        (
            "The actors wait behind the curtain.",
            "The usher made a mistake with two coats, though not with tickets.",
            "The box on the right is for the mayor.",
        ),
    ),
    Story(
        "{name} has {boxes} boxes of {tiles} tiles. A wall takes {wall} tiles, and the kitchen has {walls} such walls. "
        "How many tiles remain?",
        "the tiles that remain",
        {"boxes": range(18, 40), "tiles": range(36, 60), "wall": range(48, 150), "walls": (2, 3, 4)},
        (
            Step("all", "the tiles in the boxes", "boxes", "×", "tiles"),
            Step("used", "the tiles on the walls", "wall", "×", "walls"),
            Step("rest", "the tiles that remain", "all", "-", "used"),
        ),
        (
            "The glue needs a wait of a day, but time is not asked for.",
            "A tile on the wrong side of the door is still a tile.",
            "The plan was drawn again in ink, to look nicer.",
        ),
    ),
    Story(
        "{name} pours {jars} jars of {grams} grams of honey out of a barrel and shares them evenly among {friends} "
        "friends. Each friend adds {more} grams to the gift. How many grams does each friend have?",
        "the grams that each friend has",
        {"jars": range(12, 73, 12), "grams": range(125, 500, 25), "friends": (2, 3, 4, 6), "more": range(35, 190)},
        (
            Step("honey", "all the honey", "jars", "×", "grams"),
            Step("share", "the share of a friend", "honey", "÷", "friends"),
            Step("each", "what each friend has", "share", "+", "more"),
        ),
        (
            "Honey is thick, so one has to wait while it runs.",
            "The beekeeper actually sells candles too.",
            "The label on the barrel has an error in the year.",
        ),
    ),
)

_NAMES = (
    "Ada Amir Anna Bela Ben Boris Carla Chen Clara Dan Dora Ella Emma Femi Finn Grace Hana Hugo Ida Igor Ines Ivan "
    "Jack Jana Jonas Kofi Lara Leo Lina Lucas Maria Marta Maya Mina Nadia Nora Olga Omar Oscar Paula Pedro Petra Priya "
    "Rosa Ruth Sam Sara Sofia Tara Tom Uma Vera Viktor Yara Yusuf Zoe"
)
NAMES = tuple(_NAMES.split())

OPENINGS = (
    "Okay, so I need {goal}.",
    "Alright, I want {goal}.",
    "So I am asked for {goal}.",
    "Let me find {goal}.",
    "Okay, let me work out {goal}.",
    "Right, so what is asked is {goal}.",
)

STEPS = (
    "{now}, {what}: {left} {sign} {right} = {result}.",
    "{now}, for {what} I take {left} {sign} {right}, which is {result}.",
    "{now}, I need {what}, and {left} {verb} {right} is {result}.",
    "{now}, I get {what} from {left} {sign} {right} = {result}.",
    "{now}, {what}. I have {left} {verb} {right}, so {result}.",
)
"""How a step is said; `now` is a word such as "Next"."""

THOUGHTS = (
    "Hmm, three small steps should do.",
    "Hmm, that looks like simple arithmetic.",
    "Actually, the numbers here are friendly.",
    "Let me keep the units in mind.",
    "Let me write it down neatly.",
    "That's not hard.",
    "I made a short list of what is given.",
    "Wait times and the like play no part.",
    "Right, the rest follows.",
    "I go on again from there.",
    "Oh, that is a round way to put it.",
    "It is not wrong to go slowly.",
)
"""Decoys of a mind at work."""

FAMILIAR = (
    "Wait, that's not right.",
    "Wait, that's not what I should get.",
    "Hmm, that doesn't look right.",
    "Hmm, that's not it.",
    "No, that's not right.",
    "I made a mistake there.",
    "Oh, I made a calculation error.",
    "Let me recalculate:",
    "That was off, let me recalculate:",
    "Let me redo this calculation:",
    "Actually, that's not correct.",
    "Actually, that doesn't work out.",
    "Oh, that doesn't fit.",
    "Wait, that doesn't add up.",
    "Wait, that's incorrect.",
    "I think I went wrong there.",
    "Oops, I miscalculated.",
    "There is an arithmetic error in that.",
    "On second thought, I doubt that.",
    "I made an error in that line.",
    "Let's try again:",
    "I need to redo that line.",
)
"""Corrections in a phrase that the founding notebook looked for."""

UNFAMILIAR = (
    "No, scratch that.",
    "Oops, wrong number.",
    "Hold on, I slipped there.",
    "Hmm, no.",
    "Strike that last number.",
    "Sorry, I got that line wrong.",
    "Wait, no.",
    "Oh no, I misread a digit there.",
)
"""Corrections in other words."""
