//! The HTTP edge: what a request must be before a handler sees it, and how every answer looks.

pub mod codes;
pub mod conditional;
pub mod framing;
pub mod guard;
pub mod json;
mod origin;
pub mod paging;
mod percent;
pub mod problem;
pub mod request_id;
mod sanity;
pub mod serve;
mod socket;
mod time_limit;
