//! Reads one key of a kind that several sections have.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::layers::Reader;
use super::values;

/// A whole number of the range.
pub fn number<T: TryFrom<u64>>(
    from: &mut Reader,
    key: &'static str,
    default: T,
    range: RangeInclusive<u64>,
) -> T {
    let expected = format!("a whole number from {} to {}", range.start(), range.end());
    from.read(key, default, &expected, |given| values::number(given, &range))
}

/// A whole number, of which zero is none.
pub fn limit<T: TryFrom<u64>>(
    from: &mut Reader,
    key: &'static str,
    default: Option<T>,
) -> Option<T> {
    let expected = "a whole number from 1 to 1000000, or 0 for no limit";
    from.read(key, default, expected, |given| match values::number(given, &(0..=1_000_000))? {
        0_u64 => Some(None),
        number => T::try_from(number).ok().map(Some),
    })
}

/// A span of whole seconds.
pub fn seconds(
    from: &mut Reader,
    key: &'static str,
    default: u64,
    range: RangeInclusive<u64>,
) -> Duration {
    Duration::from_secs(number(from, key, default, range))
}

/// A span of whole hours.
pub fn hours(
    from: &mut Reader,
    key: &'static str,
    default: u64,
    range: RangeInclusive<u64>,
) -> Duration {
    Duration::from_secs(number(from, key, default, range) * 3600)
}

/// An address to listen at, with the name it was given by, if by a name.
pub fn address(
    from: &mut Reader,
    key: &'static str,
    default_port: u16,
) -> (SocketAddr, Option<String>) {
    let default = (SocketAddr::from((Ipv4Addr::LOCALHOST, default_port)), None);
    let expected = "an address, or a name that can be found, with a port, such as 127.0.0.1:3000";
    from.read(key, default, expected, values::address)
}

/// The path of a file.
pub fn path(from: &mut Reader, key: &'static str, default: &str) -> PathBuf {
    from.read(key, PathBuf::from(default), "the path of a file", values::path)
}
