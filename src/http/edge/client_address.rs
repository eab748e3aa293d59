//! Where a request comes from, as far as that can be known.
//!
//! Behind a proxy every connection comes from the proxy, which tells the client's address in a
//! header. Proxies write it in several ways: bare, with a port, an IPv6 address in brackets, in
//! quotes, or as `for=…` of `forwarded` (RFC 7239). The last entry counts, for it is the one that
//! our own proxy added; those before it anyone can send.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap};

/// The header that is trusted to tell the client's address, if any is. Clones share what has been
/// complained about.
#[derive(Debug, Clone, Default)]
pub struct TrustedHeader(Option<Arc<Trusted>>);

#[derive(Debug)]
struct Trusted {
    /// In lower case.
    name: String,
    missed: AtomicBool,
    misread: AtomicBool,
}

impl TrustedHeader {
    /// Trusts this header, whose name is in lower case, or none.
    pub fn new(name: Option<String>) -> Self {
        let (missed, misread) = (AtomicBool::default(), AtomicBool::default());
        Self(name.map(|name| Arc::new(Trusted { name, missed, misread })))
    }

    /// The client's address, which is the connection's unless the header tells another. A header
    /// that should be there and is not, or tells no address, makes everybody look like the proxy, so
    /// either is logged, once.
    pub fn client(&self, extensions: &Extensions, headers: &HeaderMap) -> IpAddr {
        let connection = extensions.get::<ConnectInfo<SocketAddr>>();
        let connection = connection.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |info| info.0.ip());
        let Some(trusted) = &self.0 else { return connection };
        let Some(value) = headers.get_all(&trusted.name).iter().next_back() else {
            if !trusted.missed.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    header = trusted.name,
                    peer = %connection,
                    "a request came without http.client_address_header, so the connection's \
                     address counts as the client's; this is logged once",
                );
            }
            return connection;
        };
        let told = value.to_str().ok().and_then(parse_last);
        if told.is_none() && !trusted.misread.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                header = trusted.name,
                value = format!("{value:.100?}"),
                peer = %connection,
                "http.client_address_header tells no address, so the connection's counts: all \
                 clients behind one proxy share its limits; this is logged once",
            );
        }
        told.unwrap_or(connection)
    }
}

/// The address in the last entry of a list.
fn parse_last(list: &str) -> Option<IpAddr> {
    let last = list.rsplit(',').next()?.trim();
    // An entry of `forwarded` has parameters, of which one is the address.
    let node = match last.contains('=') {
        true => last.split(';').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            name.trim().eq_ignore_ascii_case("for").then(|| value.trim())
        })?,
        false => last,
    };
    parse_node(node.strip_prefix('"').and_then(|node| node.strip_suffix('"')).unwrap_or(node))
}

/// An address with or without brackets, a port and an IPv6 zone.
fn parse_node(node: &str) -> Option<IpAddr> {
    if let Some(bracketed) = node.strip_prefix('[') {
        let (address, rest) = bracketed.split_once(']')?;
        let is_port = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        return parse_v6(address).filter(|_| is_port);
    }
    if let Some(address) = parse_v6(node) {
        return Some(address);
    }
    let (address, port) = node.split_once(':').unwrap_or((node, "0"));
    address.parse().ok().filter(|_| is_port(port))
}

/// The zone says which of the proxy's own links the client is on; the address without it is the
/// same client.
fn parse_v6(text: &str) -> Option<IpAddr> {
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    let address: Ipv6Addr = address.parse().ok()?;
    (!zone.is_empty()).then(|| IpAddr::V6(address).to_canonical())
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// Whom a limit per address counts as one. A client with IPv6 has a /64 network and all its
/// addresses at will, so the network is what counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network(u128);

impl Network {
    /// The network of an address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.to_ipv6_mapped().to_bits()),
            IpAddr::V6(address) => Self(address.to_bits() & !u128::from(u64::MAX)),
        }
    }

    /// The IPv6 /48 around it, which one customer may have all of: 65,536 such networks.
    pub fn site(self) -> Option<Self> {
        const IPV4: u128 = 0xffff;
        // The last bit tells it from its own first /64.
        (self.0 >> 32 != IPV4).then_some(Self(self.0 & (u128::MAX << 80) | 1))
    }

    /// All that a client of this network counts for: the network, and its site if it has one.
    pub fn holders(self) -> impl Iterator<Item = Self> {
        std::iter::once(self).chain(self.site())
    }

    /// The same, each with what it may hold where one network may hold `limit`.
    pub fn shares(self, limit: usize) -> impl Iterator<Item = (Self, usize)> {
        self.holders().zip([limit, limit.saturating_mul(SITE_SHARE)])
    }
}

/// What all clients of one IPv6 /48 may hold, as a multiple of what one may.
const SITE_SHARE: usize = 2;

impl From<SocketAddr> for Network {
    fn from(address: SocketAddr) -> Self {
        Self::of(address.ip())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(value: &str) -> Option<String> {
        parse_last(value).map(|address| address.to_string())
    }

    #[test]
    fn an_address_is_understood_however_proxies_write_it() {
        for (value, address) in [
            ("1.2.3.4", "1.2.3.4"),
            ("1.2.3.4:5", "1.2.3.4"),
            ("\"1.2.3.4:5678\"", "1.2.3.4"),
            ("10.0.0.1, 1.2.3.4 ", "1.2.3.4"),
            ("evil, \" ,1.2.3.4:80", "1.2.3.4"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("\"[2001:db8::1]:443\"", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%25eth0]:80", "fe80::1"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("[::ffff:1.2.3.4]:80", "1.2.3.4"),
            ("for=1.2.3.4", "1.2.3.4"),
            ("for=10.0.0.1, For=\"[2001:db8::1]:80\";proto=https;by=10.0.0.2", "2001:db8::1"),
            ("proto=https; for=1.2.3.4:99", "1.2.3.4"),
        ] {
            assert_eq!(client(value).as_deref(), Some(address), "{value}");
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for value in [
            "",
            " ",
            "unknown",
            "_hidden",
            "unix:",
            "1.2.3.4,",
            "1.2.3",
            "1.2.3.4:",
            "1.2.3.4:x",
            "1.2.3.4:65536",
            "1.2.3.4:+5",
            "[1.2.3.4]:5",
            "[2001:db8::1",
            "[2001:db8::1]x",
            "[2001:db8::1]:",
            "2001:db8::1%",
            "localhost",
            "for=unknown",
            "by=1.2.3.4",
            "1.2.3.4 5.6.7.8",
        ] {
            assert_eq!(client(value), None, "{value:?}");
        }
    }

    #[test]
    fn only_the_trusted_header_counts_and_of_it_the_last_line() {
        let connection = SocketAddr::from(([10, 0, 0, 1], 80));
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(connection));
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "9.9.9.9".parse().unwrap());
        headers.append("x-forwarded-for", "8.8.8.8, 1.2.3.4:5".parse().unwrap());
        let trusted = |name: &str| TrustedHeader::new(Some(name.to_owned()));
        let told = trusted("x-forwarded-for").client(&extensions, &headers);
        assert_eq!(told, IpAddr::from([1, 2, 3, 4]));
        assert_eq!(TrustedHeader::default().client(&extensions, &headers), connection.ip());
        // What tells nothing is complained about.
        let missing = trusted("x-real-ip");
        assert_eq!(missing.client(&extensions, &headers), connection.ip());
        headers.insert("x-client", "unknown".parse().unwrap());
        let garbage = trusted("x-client");
        assert_eq!(garbage.client(&extensions, &headers), connection.ip());
        let complaints = |header: TrustedHeader| {
            let header = header.0.unwrap();
            (header.missed.load(Ordering::Relaxed), header.misread.load(Ordering::Relaxed))
        };
        assert_eq!((complaints(missing), complaints(garbage)), ((true, false), (false, true)));
    }

    #[test]
    fn a_network_is_one_ipv4_address_or_one_ipv6_network() {
        let network = |text: &str| Network::of(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1"));
        assert_ne!(network("10.0.0.1"), network("10.0.0.2"));
    }

    #[test]
    fn an_ipv6_site_is_a_48_and_ipv4_has_none() {
        let site = |text: &str| Network::of(text.parse().unwrap()).site();
        assert_eq!(site("2001:db8:1:2::1"), site("2001:db8:1:ffff::9"));
        assert_ne!(site("2001:db8:1::"), site("2001:db8:2::"));
        assert_ne!(site("2001:db8:1::"), Some(Network::of("2001:db8:1::".parse().unwrap())));
        assert_eq!((site("10.0.0.1"), site("::ffff:10.0.0.1")), (None, None));
    }

    proptest! {
        #[test]
        fn no_value_makes_the_reader_panic(value in "\\PC{0,40}|[0-9a-f:.\\[\\]%\",;= for]{0,30}") {
            let _ = parse_last(&value);
        }

        #[test]
        fn every_address_is_understood_with_and_without_a_port(bits: u128, port: u16) {
            let address = IpAddr::V6(bits.into());
            let canonical = address.to_canonical();
            prop_assert_eq!(parse_last(&address.to_string()), Some(canonical));
            let with_port = SocketAddr::new(address, port).to_string();
            prop_assert_eq!(parse_last(&with_port), Some(canonical));
        }
    }
}
