//! Countries and time zones, by the names that the world has agreed on.

use std::fmt;
use std::str::FromStr;

use jiff::ZonedDateTime;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use thiserror::Error;

use super::Timestamp;

/// Every officially assigned code of ISO 3166-1 alpha-2.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL \
     BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ \
     DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS \
     GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR \
     KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU \
     MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY \
     QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH \
     TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// A country, by its code of two capital letters (ISO 3166-1 alpha-2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

/// The text is no country's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be a country's ISO 3166-1 code of two capital letters, such as \"DE\"")]
pub struct UnknownCountry;

impl Country {
    /// The code.
    pub fn as_str(&self) -> &str {
        // It was read from the list above, so it is ASCII.
        std::str::from_utf8(&self.0).unwrap_or("??")
    }
}

impl FromStr for Country {
    type Err = UnknownCountry;

    fn from_str(text: &str) -> Result<Self, UnknownCountry> {
        let code: [u8; 2] = text.as_bytes().try_into().map_err(|_| UnknownCountry)?;
        let is_known = COUNTRIES.split_ascii_whitespace().any(|known| known == text);
        if is_known { Ok(Self(code)) } else { Err(UnknownCountry) }
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A time zone of the IANA database, by its name: `Europe/Berlin`. The database is part of the
/// program, so the same name means the same on every machine.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ZoneName(String);

/// The text is no time zone's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be a time zone's IANA name, such as \"Europe/Berlin\"")]
pub struct UnknownZone;

impl ZoneName {
    /// A name that was accepted before, perhaps of a database that knew other zones.
    pub fn accepted_before(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The name, in the database's spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The day that the clock shows there at a moment. A zone that the database has no more counts as UTC.
    pub fn day_at(&self, moment: Timestamp) -> Date {
        self.clock_at(moment).date()
    }

    /// What the clock shows there at a moment. A zone that the database has no more counts as UTC.
    pub fn clock_at(&self, moment: Timestamp) -> ZonedDateTime {
        let zone = TimeZone::get(&self.0).unwrap_or(TimeZone::UTC);
        let at = jiff::Timestamp::from_millisecond(moment.as_millis()).unwrap_or_default();
        at.to_zoned_datetime(zone)
    }

    /// The moment at which a day begins there. A zone that the database has no more counts as UTC.
    pub fn start_of(&self, day: Date) -> Timestamp {
        let zone = TimeZone::get(&self.0).unwrap_or(TimeZone::UTC);
        let start = day.to_zoned_datetime(zone).map(|start| start.timestamp().as_millisecond());
        // Days at the end of time begin in no zone.
        Timestamp::from_millis(start.unwrap_or(if day.year() < 0 { i64::MIN } else { i64::MAX }))
    }
}

impl FromStr for ZoneName {
    type Err = UnknownZone;

    fn from_str(text: &str) -> Result<Self, UnknownZone> {
        let zone = TimeZone::get(text).map_err(|_| UnknownZone)?;
        // Names are found whatever their case, and kept in their own.
        zone.iana_name().map(|name| Self(name.to_owned())).ok_or(UnknownZone)
    }
}

impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_one_of_two_hundred_and_forty_nine_codes() {
        let codes: Vec<&str> = COUNTRIES.split_ascii_whitespace().collect();
        assert_eq!(codes.len(), 249);
        assert!(codes.is_sorted_by(|a, b| a < b), "each once");
        for code in codes {
            assert_eq!(code.parse::<Country>().expect("a country").as_str(), code);
        }
        for unknown in ["", "D", "DEU", "de", "XX", "ZZ", "UK", "EU", " D", "D ", "ß", "AD "] {
            assert_eq!(unknown.parse::<Country>(), Err(UnknownCountry), "{unknown:?}");
        }
    }

    #[test]
    fn a_zone_is_one_that_the_database_names() {
        for name in ["Europe/Berlin", "America/Argentina/Ushuaia", "Asia/Kolkata", "UTC"] {
            assert_eq!(name.parse::<ZoneName>().expect("a zone").as_str(), name);
        }
        assert_eq!("europe/berlin".parse::<ZoneName>().expect("a zone").as_str(), "Europe/Berlin");
        for unknown in
            ["", "Europe", "Europe/Atlantis", "+02:00", "CEST+1", "../etc/passwd", "EST5EDT,M3"]
        {
            assert_eq!(unknown.parse::<ZoneName>(), Err(UnknownZone), "{unknown:?}");
        }
    }

    #[test]
    fn a_day_begins_at_a_different_moment_in_every_zone() {
        let day = jiff::civil::date(2026, 3, 29);
        let start =
            |name: &str| name.parse::<ZoneName>().expect("a zone").start_of(day).to_string();
        assert_eq!(start("UTC"), "2026-03-29T00:00:00.000Z");
        assert_eq!(start("Europe/Berlin"), "2026-03-28T23:00:00.000Z");
        assert_eq!(start("Asia/Tokyo"), "2026-03-28T15:00:00.000Z");
        assert_eq!(start("America/Los_Angeles"), "2026-03-29T07:00:00.000Z");
        let gone = ZoneName::accepted_before("Europe/Atlantis");
        assert_eq!(gone.start_of(day).to_string(), "2026-03-29T00:00:00.000Z");
        let utc = ZoneName::accepted_before("UTC");
        assert!(utc.start_of(Date::MAX) > utc.start_of(day));
        assert!(utc.start_of(Date::MIN) < utc.start_of(day));
    }
}
