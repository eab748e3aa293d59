//! Ports for programs that have to be told theirs.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, ToSocketAddrs};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below those that a kernel gives out by itself (on Linux from 32768 upwards). One of its own choice
/// may be given to somebody's connection before the program listens on it.
const PORTS: Range<u32> = 20_000..32_000;

/// A port of this machine that is free in both of its addresses, and another one each time.
pub fn free_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    // Another process begins its search elsewhere.
    let first = std::process::id().wrapping_mul(101);
    let next = |_| {
        let next = first.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        u16::try_from(PORTS.start + next % (PORTS.end - PORTS.start)).expect("a port")
    };
    let is_free = |port: &u16| {
        !is_taken((Ipv4Addr::LOCALHOST, *port)) && !is_taken((Ipv6Addr::LOCALHOST, *port))
    };
    PORTS.map(next).find(is_free).expect("a free port")
}

/// A machine without that address has nobody who listens there.
fn is_taken(address: impl ToSocketAddrs) -> bool {
    TcpListener::bind(address).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}
