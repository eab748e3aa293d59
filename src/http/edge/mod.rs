//! What every request goes through, whatever it asks for: connections, limits, guards, bodies
//! and queries, the form of refusals. Nothing here knows a resource.

pub mod answer;
pub mod body;
pub mod caching;
pub mod client_address;
pub mod codes;
pub mod conditional;
pub mod connections;
pub mod docs;
pub mod errors;
pub mod fields;
pub mod framing;
pub mod guard;
pub mod idempotency;

pub mod json;
pub mod metrics;
pub mod origin;
pub mod paging;
pub mod path;
pub mod percent;
pub mod problem;
pub mod readiness;
pub mod request_id;
pub mod sanity;
pub mod seldom;
pub mod serve;
pub mod socket;
pub mod time_limit;
pub mod times;
