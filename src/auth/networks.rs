//! Which addresses belong together.
//!
//! What is limited per client must be limited per network too, or whoever has a large one has as
//! many clients as it has addresses: an IPv6 customer is given a /64 at least and often a /48, which
//! has 65,536 of those.

use std::net::IpAddr;

/// One network, with its kind: told apart from all others of any size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    prefix: u8,
    bits: u128,
}

/// How large the network is that two addresses share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// One client: an IPv4 address, or an IPv6 /64, all addresses of which one host can use.
    Client,
    /// What one customer may have: an IPv4 /24, or an IPv6 /48.
    Site,
    /// What one provider may have: an IPv4 /16, or an IPv6 /32.
    Provider,
    /// A part of the world: an IPv4 /8, or an IPv6 /16.
    Region,
}

impl Network {
    /// The network of that size that an address is in.
    pub fn of(address: IpAddr, reach: Reach) -> Self {
        // An IPv4 address is told apart by the 96 bits in front of it.
        let (bits, prefix) = match (address.to_canonical(), reach) {
            (IpAddr::V4(address), reach) => {
                let prefix = match reach {
                    Reach::Client => 128,
                    Reach::Site => 120,
                    Reach::Provider => 112,
                    Reach::Region => 104,
                };
                (address.to_ipv6_mapped().to_bits(), prefix)
            }
            (IpAddr::V6(address), Reach::Client) => (address.to_bits(), 64),
            (IpAddr::V6(address), Reach::Site) => (address.to_bits(), 48),
            (IpAddr::V6(address), Reach::Provider) => (address.to_bits(), 32),
            (IpAddr::V6(address), Reach::Region) => (address.to_bits(), 16),
        };
        let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or_default();
        Self { prefix, bits: bits & mask }
    }

    /// The network in bytes, for hashing.
    pub fn to_bytes(self) -> [u8; 17] {
        let mut bytes = [self.prefix; 17];
        if let Some((bits, _)) = bytes.split_first_chunk_mut() {
            *bits = self.bits.to_be_bytes();
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, reach: Reach) -> Network {
        Network::of(text.parse().unwrap(), reach)
    }

    #[test]
    fn an_ipv6_network_counts_as_one_client() {
        let client = |text| of(text, Reach::Client);
        assert_eq!(client("2001:db8:1:2::1"), client("2001:db8:1:2:ffff::9"));
        assert_ne!(client("2001:db8:1:2::1"), client("2001:db8:1:3::1"));
        assert_eq!(client("::ffff:10.0.0.1"), client("10.0.0.1"));
        assert_ne!(client("10.0.0.1"), client("10.0.0.2"));
        assert_ne!(client("0.0.0.0"), client("::"));
    }

    #[test]
    fn wider_networks_hold_more_addresses() {
        for (near, far, reach) in [
            ("2001:db8:1:2::1", "2001:db8:1:ffff::", Reach::Site),
            ("2001:db8:1::", "2001:db8:ffff::", Reach::Provider),
            ("2001:db8::", "2001:ffff::", Reach::Region),
            ("10.1.2.3", "10.1.2.255", Reach::Site),
            ("10.1.2.3", "10.1.255.3", Reach::Provider),
            ("10.1.2.3", "10.255.0.0", Reach::Region),
        ] {
            assert_eq!(of(near, reach), of(far, reach), "{far}");
            assert_ne!(of(near, Reach::Client), of(far, Reach::Client));
        }
        assert_ne!(of("10.1.2.3", Reach::Site), of("10.1.3.3", Reach::Site));
        assert_ne!(of("2001:db8:1::", Reach::Site), of("2001:db8:2::", Reach::Site));
        assert_ne!(of("10.0.0.0", Reach::Provider), of("11.0.0.0", Reach::Provider));
    }

    #[test]
    fn networks_of_different_sizes_differ_in_bytes() {
        let zero = |reach| of("::", reach).to_bytes();
        assert_ne!(zero(Reach::Client), zero(Reach::Site));
        assert_ne!(of("::1:0:0:0:0", Reach::Client).to_bytes(), zero(Reach::Client));
    }
}
