"""The random names that Dub shows for a customer who has neither a name nor an email.

Dub draws from so many that among those recorded hardly a word comes twice. There are five million here:
two readings of a customer must not be likely to agree by chance.
"""

import random

_ADJECTIVES = (
    "Able Active Agile Airy Alert Ample Amused Ancient Apt Ardent Artful Avid Aware Balanced Basic "
    "Bashful Benign Bitter Blank Blessed Blunt Bold Bouncy Brave Brief Bright Brisk Broad Bubbly Busy "
    "Calm Candid Careful Casual Central Charming Cheery Chief Chilly Civic Classic Clean Clear Clever "
    "Close Cloudy Clumsy Cold Comic Common Complex Cool Cosmic Crafty Crisp Curious Curly Daily Dainty "
    "Daring Dear Decent Deep Delicate Dense Dim Direct Distant Divine Dizzy Double Dreamy Dry Dusty Eager "
    "Early Earnest Easy Elated Elegant Empty Endless Equal Exact Exotic Faint Fair Famous Fancy Fast "
    "Feisty Fierce Final Fine Firm Fit Flat Fluffy Fond Formal Frail Frank Free Fresh Friendly Frosty "
    "Full Funny Fuzzy Gentle Giant Giddy Glad Gleaming Global Golden Good Graceful Grand Grateful Great "
    "Handy Happy Hardy Harsh Hasty Hearty Heavy Hidden High Hollow Honest Huge Humble Hungry Icy Ideal "
    "Idle Inner Intent Jagged Jolly Joyful Juicy Just Keen Kind Known Large Late Lazy Lean Level Light "
    "Likely Linear Lively Local Lone Long Loose Loud Loyal Lucky Magic Main Major Mellow Merry Mighty "
    "Mild Minor Misty Mobile Modern Modest Moral Mute Mutual Narrow Native Near Neat New Nice Nimble "
    "Noble Noisy Novel Odd Old Open Outer Oval Pale Past Patient Perfect Plain Playful Polite Poor Potent "
    "Pretty Prime Primary Prior Private Proper Proud Public Pure Puzzled Quaint Quick Quiet Rapid Rare "
    "Raw Ready Real Regular Rich Rigid Ripe Robust Round Royal Rugged Rural Safe Sandy Scarce Secret "
    "Serene Sharp Shiny Short Shy Silent Silky Silly Simple Sincere Sleek Sleepy Slim Slow Small Smart "
    "Smooth Snowy Social Soft Solar Solid Sound Spare Spicy Stable Stark Steady Steep Still Stout Strict "
    "Strong Sturdy Subtle Sudden Sunny Super Supreme Sweet Swift Tall Tame Tart Tender Thick Thin Thirsty "
    "Tidy Tight Tiny Tough Tricky Tropical True Typical Unique Upper Urban Useful Usual Valid Vast Verbal "
    "Vital Vivid Warm Wary Weary Wide Wild Wise Witty Wooden Worthy Yearly Young Zany Zesty"
).split()
_COLORS = (
    "Amber Apricot Aqua Azure Beige Black Blue Bronze Brown Burgundy Cerise Cobalt Copper Coral Cream "
    "Crimson Cyan Ebony Emerald Fawn Fuchsia Gold Gray Green Hazel Indigo Ivory Jade Khaki Lavender Lemon "
    "Lilac Lime Magenta Maroon Mauve Mint Navy Ochre Olive Orange Orchid Peach Pink Plum Purple Red Rose "
    "Ruby Rust Salmon Sapphire Scarlet Sepia Silver Tan Teal Turquoise Violet White"
).split()
_ANIMALS = (
    "Adder Albatross Alpaca Anchovy Ant Anteater Antelope Ape Armadillo Auk Baboon Badger Barracuda Bass "
    "Bat Bear Beaver Bee Beetle Bison Boar Bobcat Bonobo Buffalo Bullfinch Bustard Butterfly Buzzard "
    "Camel Canary Capybara Caribou Carp Cat Catfish Centipede Chameleon Cheetah Chicken Chipmunk Chough "
    "Cicada Clam Cobra Cod Condor Coot Cormorant Cow Coyote Crab Crane Cricket Crocodile Crow Cuckoo "
    "Curlew Deer Dingo Dodo Dog Dolphin Donkey Dormouse Dove Dragonfly Duck Dugong Dunlin Eagle Earwig "
    "Echidna Eel Egret Eland Elk Emu Falcon Ferret Finch Firefly Flamingo Flea Flounder Fly Fox Frog "
    "Gannet Gazelle Gecko Gerbil Gibbon Giraffe Gnat Gnu Goat Goldfinch Goose Gopher Gorilla Goshawk "
    "Grebe Grouse Guanaco Gull Guppy Haddock Halibut Hamster Hare Harrier Hawk Hedgehog Hermit Heron "
    "Herring Hippo Hoopoe Hornet Horse Hyena Ibex Ibis Iguana Impala Jackal Jackdaw Jaguar Jay Jellyfish "
    "Kestrel Kingfisher Kite Kiwi Koala Krill Kudu Ladybird Lamprey Lapwing Lark Lemming Lemur Leopard "
    "Limpet Linnet Lion Lizard Llama Lobster Locust Loon Lynx Macaw Mackerel Magpie Mallard Mammoth "
    "Manatee Marlin Marmot Marten Mayfly Meerkat Merlin Midge Mink Minnow Mole Mongoose Moorhen Moose "
    "Moth Mouse Mule Mussel Narwhal Newt Nightjar Numbat Nuthatch Ocelot Octopus Okapi Opossum Oriole "
    "Oryx Osprey Ostrich Otter Owl Ox Oyster Panda Panther Parrot Partridge Peacock Pelican Penguin Perch "
    "Petrel Pheasant Pig Pigeon Pike Pipit Plover Polecat Pony Porpoise Possum Prawn Puffin Puma Python "
    "Quail Quokka Rabbit Raccoon Ram Rat Raven Redstart Reindeer Rhino Robin Rook Rooster Salamander "
    "Sardine Seal Serval Shark Sheep Shrew Shrimp Skink Skua Skunk Sloth Slug Snail Snake Snipe Sparrow "
    "Spider Squid Squirrel Stag Starling Stoat Stork Swallow Swan Swift Tapir Tern Termite Thrush Tiger "
    "Toad Toucan Trout Tuna Turkey Turtle Viper Vole Vulture Wallaby Walrus Warbler Wasp Weasel Whale "
    "Wolf Wolverine Wombat Woodcock Worm Wren Yak Zebra"
).split()


def random_name(source: random.Random) -> str:
    """A new name of three words, such as ``Quiet Amber Otter``."""
    return f"{source.choice(_ADJECTIVES)} {source.choice(_COLORS)} {source.choice(_ANIMALS)}"
