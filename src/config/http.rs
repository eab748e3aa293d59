//! The section `[http]`.

use std::net::SocketAddr;
use std::time::Duration;

use super::keys::{address, limit, number, seconds};
use super::layers::Reader;
use super::values::{self, PublicUrl};

/// The HTTP edge.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where metrics and backups are served; keep it private.
    pub admin_listen: SocketAddr,
    /// The names, in lower case, that the admin address may be asked for by; addresses and
    /// `localhost` always are.
    pub admin_hosts: Vec<String>,
    /// The address that clients reach the API under.
    pub public_url: PublicUrl,
    /// Whether it was given, and is not merely what follows from `listen`.
    pub public_url_is_given: bool,
    /// The largest request body, in bytes.
    pub body_limit_bytes: usize,
    /// How long one request may take, body included.
    pub request_timeout: Duration,
    /// How many connections may be open at once.
    pub max_connections: usize,
    /// How many of them one client address may hold, if that is limited.
    pub max_connections_per_address: Option<usize>,
    /// How many connections may listen to events at once.
    pub max_event_streams: usize,
    /// How many of them one client address may hold, if that is limited.
    pub max_event_streams_per_address: Option<usize>,
    /// How many past events one client address is sent per second, if that is limited.
    pub event_replay_per_second: Option<u32>,
    /// How long a client may take to send a request's headers.
    pub header_timeout: Duration,
    /// How long requests that are under way may still take when the server stops.
    pub drain: Duration,
    /// The header, in lower case, in which a proxy in front tells the client's address. Without one
    /// the connection's own address counts, since anyone can send a header.
    pub client_address_header: Option<String>,
}

impl HttpSettings {
    pub(super) fn read(from: &mut Reader) -> Self {
        let (listen, name) = address(from, "http.listen", 3000);
        let own_url = name.map_or_else(
            || PublicUrl::of_listener(listen),
            |name| PublicUrl::of_name(&name, listen.port()),
        );
        let public_url = from.read(
            "http.public_url",
            None,
            "an http or https URL without a path, such as https://tickets.example.com",
            |given| match values::text(given)? {
                "" => Some(None),
                text => PublicUrl::parse(text).map(Some),
            },
        );
        let client_address_header = from.read(
            "http.client_address_header",
            None,
            "the name of a header such as \"x-forwarded-for\", or \"\" for none",
            values::header,
        );
        let max_connections = number(from, "http.max_connections", 10_000, 1..=1_000_000);
        let max_event_streams = number(from, "http.max_event_streams", 5000, 0..=1_000_000);
        // Behind a proxy all connections come from its address.
        let connections_share = match client_address_header {
            None => Some(quarter(max_connections)),
            Some(_) => None,
        };
        Self {
            listen,
            admin_listen: address(from, "http.admin_listen", 3001).0,
            admin_hosts: from.read(
                "http.admin_hosts",
                Vec::new(),
                "host names without a port, in a list or with commas between them",
                values::host_names,
            ),
            public_url_is_given: public_url.is_some(),
            public_url: public_url.unwrap_or(own_url),
            body_limit_bytes: number(from, "http.body_limit_bytes", 65_536, 1024..=16_777_216),
            request_timeout: seconds(from, "http.request_timeout_seconds", 30, 1..=600),
            max_connections,
            max_connections_per_address: limit(
                from,
                "http.max_connections_per_address",
                connections_share,
            ),
            max_event_streams,
            max_event_streams_per_address: limit(
                from,
                "http.max_event_streams_per_address",
                Some(quarter(max_event_streams)),
            ),
            event_replay_per_second: limit(from, "http.event_replay_per_second", Some(20_000)),
            header_timeout: seconds(from, "http.header_timeout_seconds", 10, 1..=600),
            drain: seconds(from, "http.drain_seconds", 20, 0..=600),
            client_address_header,
        }
    }

    /// Makes do with fewer connections: what is a share of them shrinks with them.
    pub fn lower_max_connections(&mut self, max: usize) {
        let before = self.max_connections.max(1);
        if max >= before {
            return;
        }
        let shrink = |limit: usize| limit.saturating_mul(max) / before;
        self.max_connections = max;
        self.max_event_streams = shrink(self.max_event_streams);
        for limit in
            [&mut self.max_connections_per_address, &mut self.max_event_streams_per_address]
        {
            *limit = limit.map(|limit| shrink(limit).max(1));
        }
    }
}

/// What one of many may hold by default.
fn quarter(whole: usize) -> usize {
    (whole / 4).max(1)
}
