"""Words that name COCO's 80 categories, for CHAIR and for maps.

Based on the list of Rohrbach et al. 2018, "Object Hallucination in Image Captioning".
Differs: each word is listed once, in the singular (objects.py derives plurals); brand names and truncated words are left out.

A colour or a verb that is spelled like an object ("an orange cat", "a dog ducks") counts as the object, as in their code.
"""

SYNONYMS: dict[str, str] = {
    # people
    "person": "adult, baby, baker, bicyclist, biker, boy, bride, buyer, caller, camper, chef, child, cop, cowboy, "
    "coworker, doctor, drinker, driver, father, female, foreigner, gentleman, girl, grandchild, groom, "
    "guy, hunter, kid, lady, male, man, mother, offender, officer, passenger, patient, people, pitcher, "
    "player, policeman, politician, rider, serviceman, shopper, sister, skateboarder, skater, skier, "
    "snowboarder, soldier, solider, student, teenager, thief, traveler, trespasser, villager, walker, "
    "woman, worker",
    # vehicles
    "bicycle": "bike, minibike, trike, unicycle",
    "car": "automobile, cab, coupe, hatchback, jeep, limo, minivan, sedan, suv, taxi, taxicab, van",
    "motorcycle": "moped, motor bike, motor cycle, motorbike, scooter",
    "airplane": "air plane, airbus, aircraft, biplane, jet, jetliner, monoplane, plane, seaplane",
    "bus": "minibus, trolley",
    "train": "caboose, locomotive, tramway",
    "truck": "firetruck, hauler, lorry, pickup",
    "boat": "barge, battleship, canoe, catamaran, dinghy, ferry, ferryboat, freighter, houseboat, kayak, "
    "lifeboat, liner, motorboat, paddleboat, pontoon, powerboat, riverboat, rowboat, sailboard, sailboat,"
    " schooner, ship, skiff, speedboat, steamboat, steamship, trawler, tugboat, vessel, watercraft, yacht",
    # in the street
    "traffic light": "stop light, stoplight, street light, streetlight, traffic signal",
    "fire hydrant": "hydrant",
    "stop sign": "",
    "parking meter": "",
    "bench": "pew",
    # animals
    "bird": "blackbird, bluebird, bluejay, buzzard, chickadee, cockatiel, cockatoo, condor, cormorant, cowbird, "
    "crow, duck, egret, falcon, finch, flamingo, fowl, goose, gosling, gull, heron, hummingbird, "
    "kingfisher, loon, lorikeet, macaw, magpie, mallard, oriole, osprey, ostrich, owl, parakeet, parrot, "
    "peacock, peafowl, pelican, pheasant, pigeon, puffin, quail, raven, robin, rooster, sandpiper, "
    "seabird, seagull, shorebird, songbird, sparrow, swan, turkey, vulture, warbler, waterbird, "
    "waterfowl, willet, woodpecker",
    "cat": "feline, kitten, tabby",
    "dog": "beagle, brindle, bulldog, canine, chihuahua, cocker, collie, corgi, dachshund, doberman, doggie, "
    "doggy, greyhound, hound, husky, labrador, mutt, pitbull, poodle, pug, pup, puppy, retriever, "
    "rottweiler, schnauzer, sheepdog, spaniel, terrier, weimaraner, whippet",
    "horse": "bronc, bronco, clydesdale, colt, equine, foal, mare, mustang, palomino, pony, racehorse, stallion",
    "sheep": "ewe, goat, lamb, ram",
    "cow": "bison, buffalo, bull, calf, cattle, heifer, holstein, ox, zebu",
    "elephant": "",
    "bear": "panda",
    "zebra": "",
    "giraffe": "",
    # carried and worn
    "backpack": "knapsack",
    "umbrella": "",
    "handbag": "briefcase, purse, wallet",
    "tie": "bow, bow tie",
    "suitcase": "luggage, suit case",
    # sports
    "frisbee": "",
    "skis": "ski",
    "snowboard": "",
    "sports ball": "ball",
    "kite": "",
    "baseball bat": "",
    "baseball glove": "",
    "skateboard": "",
    "surfboard": "longboard, shortboard, skimboard, wakeboard",
    "tennis racket": "racket",
    # at the table
    "bottle": "",
    "wine glass": "",
    "cup": "",
    "fork": "",
    "knife": "pocketknife",
    "spoon": "",
    "bowl": "container",
    "banana": "",
    "apple": "",
    "sandwich": "burger, cheeseburger, hamburger, sub",
    "orange": "",
    "broccoli": "",
    "carrot": "",
    "hot dog": "",
    "pizza": "",
    "donut": "bagel, doughnut",
    "cake": "cheesecake, coffeecake, cupcake, pancake, shortcake",
    # in the house
    "chair": "seat, stool",
    "couch": "chesterfield, futon, loveseat, recliner, settee, sofa",
    "potted plant": "houseplant",
    "bed": "",
    "dining table": "desk, table",
    "toilet": "commode, lavatory, potty, urinal",
    "tv": "monitor, television, televison",
    "laptop": "computer, laptop computer, netbook, notebook",
    "mouse": "",
    "remote": "",
    "keyboard": "",
    "cell phone": "cellphone, mobile phone, phone, smartphone, telephone",
    "microwave": "",
    "oven": "stove, stove top oven, stovetop",
    "toaster": "",
    "sink": "",
    "refrigerator": "freezer, fridge",
    "book": "",
    "clock": "",
    "vase": "",
    "scissors": "",
    "teddy bear": "teddybear",
    "hair drier": "hairdryer",
    "toothbrush": "",
}
"""By COCO's name of the category, which is itself one of its words."""

_ANIMALS = ["bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"]

TRAPS: dict[str, str] = {
    **{f"{young} {animal}": animal for young in ("baby", "adult") for animal in _ANIMALS},
    **{f"{young} {animal}": "" for young in ("baby", "adult") for animal in ("animal", "cub")},
    "passenger jet": "airplane",
    "passenger train": "train",
    "train track": "",
    "home plate": "",
    "toilet seat": "toilet",
}
"""Words that together name another category than one of them does alone, or none."""

NOT_BESIDE = {"seat": "toilet"}
"""Words that name nothing in a caption that names this category: the seat of a toilet is no chair."""

PLURALS = {"child": "children", "goose": "geese", "mouse": "mice", "ox": "oxen", "person": "people"}
"""Plurals that no rule gives; "grandchild" follows "child"."""
