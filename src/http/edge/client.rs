//! Which address a request comes from, as far as it can be trusted.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap};

/// The connection's own address or, if a proxy in front tells the client's in the header `told_in`,
/// that one.
pub fn client_address(
    extensions: &Extensions,
    headers: &HeaderMap,
    told_in: Option<&str>,
) -> IpAddr {
    let connection = extensions.get::<ConnectInfo<SocketAddr>>();
    let peer = connection.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |info| info.0.ip());
    // The last entry is the one our own proxy added; those before it anyone can send.
    let forwarded = told_in
        .and_then(|name| headers.get_all(name).iter().next_back())
        .and_then(|value| value.to_str().ok())
        .and_then(|list| list.rsplit(',').next())
        .and_then(|last| last.trim().parse().ok());
    forwarded.unwrap_or(peer)
}
