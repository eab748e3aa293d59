//! What the demo's market has: invented names in real cities, dates that lie ahead of whoever looks.

use crate::domain::{Category, Split};

/// A place where shows take place.
pub struct Place {
    /// What it is called.
    pub name: &'static str,
    /// The city.
    pub city: &'static str,
    /// The country.
    pub country: &'static str,
    /// The zone whose clock its shows follow.
    pub zone: &'static str,
    /// Where it stands.
    pub address: &'static str,
    /// The sections that tickets are for.
    pub sections: &'static [&'static str],
}

/// A show at one of the [`PLACES`].
pub struct Act {
    /// Which place.
    pub place: usize,
    /// What kind of show.
    pub category: Category,
    /// What it is called.
    pub name: &'static str,
    /// Who plays.
    pub performers: &'static [&'static str],
    /// In how many days.
    pub days: i32,
    /// At which hour and minute by the clock of the place.
    pub at: (i8, i8),
    /// How many minutes it lasts.
    pub minutes: u64,
    /// What is on sale.
    pub offers: &'static [Offer],
}

/// Seats that somebody sells together.
pub struct Offer {
    /// The section.
    pub section: &'static str,
    /// The row and the number of the first seat; none where people stand.
    pub at: Option<(&'static str, u32)>,
    /// How many.
    pub seats: u32,
    /// What each costs, in hundredths of a major unit.
    pub price: u64,
    /// What each cost where it was first sold, likewise.
    pub face: u64,
    /// How they may be divided.
    pub split: Split,
}

/// Numbered seats that follow each other.
const fn seats(
    section: &'static str,
    row: &'static str,
    first: u32,
    seats: u32,
    price: u64,
    face: u64,
) -> Offer {
    let split = if seats == 2 { Split::None } else { Split::AvoidOne };
    Offer { section, at: Some((row, first)), seats, price, face, split }
}

/// The same, sold in pairs.
const fn pairs(
    section: &'static str,
    row: &'static str,
    first: u32,
    count: u32,
    price: u64,
    face: u64,
) -> Offer {
    let offer = seats(section, row, first, count, price, face);
    Offer { split: Split::Pairs, ..offer }
}

/// Places to stand.
const fn standing(section: &'static str, seats: u32, price: u64, face: u64) -> Offer {
    Offer { section, at: None, seats, price, face, split: Split::Any }
}

/// Where shows take place.
pub const PLACES: [Place; 9] = [
    Place {
        name: "Spree Arena",
        city: "Berlin",
        country: "DE",
        zone: "Europe/Berlin",
        address: "Uferpromenade 12",
        sections: &["Standing", "Lower Tier 104", "Lower Tier 110", "Upper Tier 402"],
    },
    Place {
        name: "Kleines Haus am Fluss",
        city: "Hamburg",
        country: "DE",
        zone: "Europe/Berlin",
        address: "Speicherweg 3",
        sections: &["Parkett", "1. Rang", "2. Rang"],
    },
    Place {
        name: "Donaupark Stadion",
        city: "Vienna",
        country: "AT",
        zone: "Europe/Vienna",
        address: "Am Damm 1",
        sections: &["North Stand", "East Stand", "South Stand"],
    },
    Place {
        name: "The Lantern Rooms",
        city: "London",
        country: "GB",
        zone: "Europe/London",
        address: "88 Foundry Lane",
        sections: &["Stalls", "Circle", "Standing"],
    },
    Place {
        name: "Harbour Ground",
        city: "Liverpool",
        country: "GB",
        zone: "Europe/London",
        address: "Dock Road",
        sections: &["Main Stand", "River Stand", "Family Stand"],
    },
    Place {
        name: "Théâtre des Platanes",
        city: "Paris",
        country: "FR",
        zone: "Europe/Paris",
        address: "14 rue des Platanes",
        sections: &["Orchestre", "Corbeille", "Balcon"],
    },
    Place {
        name: "Eastline Hall",
        city: "New York",
        country: "US",
        zone: "America/New_York",
        address: "455 Ferry Street",
        sections: &["Orchestra", "Mezzanine", "Balcony"],
    },
    Place {
        name: "Lakefront Center",
        city: "Chicago",
        country: "US",
        zone: "America/Chicago",
        address: "1200 Shoreline Drive",
        sections: &["Floor", "Section 101", "Section 118", "Section 305"],
    },
    Place {
        name: "Seewiesen",
        city: "Zurich",
        country: "CH",
        zone: "Europe/Zurich",
        address: "Seeuferweg 40",
        sections: &["Day ticket", "Weekend", "Weekend with camping"],
    },
];

/// What is on.
pub const ACTS: [Act; 18] = [
    Act {
        place: 3,
        category: Category::Comedy,
        name: "Mona Feld: Mind the Gap",
        performers: &["Mona Feld"],
        days: 2,
        at: (19, 30),
        minutes: 100,
        offers: &[
            seats("Stalls", "C", 11, 2, 3_400, 2_950),
            pairs("Stalls", "H", 4, 4, 2_900, 2_950),
            seats("Circle", "B", 20, 3, 2_450, 2_500),
        ],
    },
    Act {
        place: 0,
        category: Category::Concert,
        name: "Paper Lanterns",
        performers: &["Paper Lanterns", "Ida Moll"],
        days: 4,
        at: (20, 0),
        minutes: 165,
        offers: &[
            standing("Standing", 4, 7_900, 6_850),
            standing("Standing", 2, 8_200, 6_850),
            seats("Lower Tier 104", "6", 14, 2, 9_800, 8_900),
            pairs("Lower Tier 110", "12", 3, 4, 8_450, 8_900),
            seats("Upper Tier 402", "2", 27, 5, 4_600, 5_200),
        ],
    },
    Act {
        place: 7,
        category: Category::Sports,
        name: "Chicago Gales v Detroit Furnace",
        performers: &["Chicago Gales", "Detroit Furnace"],
        days: 5,
        at: (19, 0),
        minutes: 150,
        offers: &[
            seats("Floor", "2", 5, 2, 38_500, 32_000),
            seats("Section 101", "9", 7, 4, 14_900, 12_500),
            pairs("Section 118", "15", 1, 6, 9_900, 11_000),
            seats("Section 305", "4", 18, 2, 3_250, 3_500),
        ],
    },
    Act {
        place: 6,
        category: Category::Theatre,
        name: "The Winter House",
        performers: &["Eastline Company"],
        days: 6,
        at: (19, 30),
        minutes: 140,
        offers: &[
            seats("Orchestra", "F", 101, 2, 15_900, 13_900),
            seats("Orchestra", "P", 8, 3, 11_200, 11_900),
            pairs("Mezzanine", "A", 15, 4, 9_900, 9_500),
            seats("Balcony", "D", 22, 2, 4_900, 5_500),
        ],
    },
    Act {
        place: 4,
        category: Category::Sports,
        name: "Harbour City v Northgate United",
        performers: &["Harbour City", "Northgate United"],
        days: 8,
        at: (15, 0),
        minutes: 120,
        offers: &[
            seats("Main Stand", "14", 61, 2, 6_400, 5_800),
            pairs("River Stand", "22", 10, 4, 5_250, 5_200),
            seats("Family Stand", "3", 5, 4, 3_300, 3_400),
        ],
    },
    Act {
        place: 1,
        category: Category::Theatre,
        name: "Der zerbrochene Spiegel",
        performers: &["Ensemble am Fluss"],
        days: 9,
        at: (19, 30),
        minutes: 130,
        offers: &[
            seats("Parkett", "4", 9, 2, 5_400, 5_200),
            seats("1. Rang", "1", 17, 3, 4_300, 4_200),
            pairs("2. Rang", "3", 2, 4, 2_200, 2_600),
        ],
    },
    Act {
        place: 5,
        category: Category::Theatre,
        name: "La Traversée",
        performers: &["Compagnie des Deux Rives", "Claire Aubin"],
        days: 11,
        at: (20, 30),
        minutes: 115,
        offers: &[
            seats("Orchestre", "K", 12, 2, 6_800, 6_500),
            seats("Corbeille", "2", 31, 2, 5_900, 6_000),
            seats("Balcon", "5", 6, 4, 2_900, 3_200),
        ],
    },
    Act {
        place: 3,
        category: Category::Concert,
        name: "Quiet Machines",
        performers: &["Quiet Machines"],
        days: 12,
        at: (20, 0),
        minutes: 150,
        offers: &[
            standing("Standing", 3, 4_200, 3_800),
            standing("Standing", 2, 4_450, 3_800),
            seats("Circle", "A", 7, 2, 5_600, 4_800),
        ],
    },
    Act {
        place: 2,
        category: Category::Sports,
        name: "Donau Bären – Alpen Adler",
        performers: &["Donau Bären", "Alpen Adler"],
        days: 15,
        at: (18, 30),
        minutes: 125,
        offers: &[
            seats("North Stand", "8", 120, 2, 3_900, 3_600),
            pairs("East Stand", "17", 44, 6, 4_500, 4_400),
            seats("South Stand", "30", 9, 4, 2_400, 2_800),
        ],
    },
    Act {
        place: 6,
        category: Category::Concert,
        name: "Symphony No. 9 by Candlelight",
        performers: &["Ferry Street Orchestra", "Leo Okafor"],
        days: 17,
        at: (20, 0),
        minutes: 110,
        offers: &[
            seats("Orchestra", "H", 105, 2, 12_900, 12_000),
            seats("Mezzanine", "C", 9, 2, 8_800, 9_000),
            pairs("Balcony", "A", 13, 4, 5_200, 5_500),
        ],
    },
    Act {
        place: 0,
        category: Category::Comedy,
        name: "Late & Loud: the Winter Special",
        performers: &["Jo Brandt", "Sami Keller", "The Understudies"],
        days: 19,
        at: (21, 0),
        minutes: 120,
        offers: &[
            seats("Lower Tier 104", "3", 21, 2, 4_900, 4_500),
            seats("Lower Tier 110", "8", 12, 4, 4_200, 4_500),
            seats("Upper Tier 402", "10", 1, 3, 2_300, 2_900),
        ],
    },
    Act {
        place: 7,
        category: Category::Concert,
        name: "Delia Ray: Homecoming",
        performers: &["Delia Ray", "The Northside Horns"],
        days: 23,
        at: (20, 0),
        minutes: 160,
        offers: &[
            standing("Floor", 2, 21_500, 17_900),
            seats("Section 101", "3", 11, 2, 18_400, 15_900),
            pairs("Section 118", "7", 5, 4, 13_200, 12_900),
            seats("Section 305", "11", 2, 6, 6_900, 7_500),
        ],
    },
    Act {
        place: 1,
        category: Category::Other,
        name: "Night of the Harbour Lights",
        performers: &[],
        days: 26,
        at: (18, 0),
        minutes: 240,
        offers: &[standing("Parkett", 4, 1_400, 1_500), standing("1. Rang", 2, 1_900, 1_800)],
    },
    Act {
        place: 5,
        category: Category::Concert,
        name: "Nuit Blanche Quartet",
        performers: &["Nuit Blanche Quartet"],
        days: 30,
        at: (21, 0),
        minutes: 95,
        offers: &[
            seats("Orchestre", "D", 3, 2, 4_400, 4_200),
            seats("Balcon", "1", 14, 2, 2_750, 3_000),
        ],
    },
    Act {
        place: 4,
        category: Category::Sports,
        name: "Harbour City v Castle Rovers",
        performers: &["Harbour City", "Castle Rovers"],
        days: 36,
        at: (17, 30),
        minutes: 120,
        offers: &[
            pairs("Main Stand", "9", 31, 4, 7_100, 5_800),
            seats("River Stand", "4", 77, 2, 6_300, 5_200),
        ],
    },
    Act {
        place: 0,
        category: Category::Concert,
        name: "Kosmonaut 84: Orbit Tour",
        performers: &["Kosmonaut 84", "Velvet Antenna"],
        days: 44,
        at: (19, 30),
        minutes: 170,
        offers: &[
            standing("Standing", 6, 8_900, 7_400),
            seats("Lower Tier 104", "15", 2, 4, 10_500, 9_400),
            seats("Upper Tier 402", "6", 9, 2, 5_100, 5_600),
        ],
    },
    Act {
        place: 2,
        category: Category::Festival,
        name: "Donaufest Open Air",
        performers: &["Ida Moll", "Quiet Machines", "Velvet Antenna", "DJ Almrausch"],
        days: 58,
        at: (14, 0),
        minutes: 600,
        offers: &[
            standing("North Stand", 4, 6_200, 6_900),
            standing("South Stand", 2, 5_900, 5_900),
        ],
    },
    Act {
        place: 8,
        category: Category::Festival,
        name: "Lakeside Weekend",
        performers: &["Paper Lanterns", "Delia Ray", "Kosmonaut 84", "Sami Keller"],
        days: 75,
        at: (12, 0),
        minutes: 3_600,
        offers: &[
            standing("Day ticket", 2, 7_900, 8_500),
            standing("Weekend", 4, 18_900, 18_500),
            standing("Weekend with camping", 2, 23_500, 22_000),
        ],
    },
];
