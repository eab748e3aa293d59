//! The HTTP edge: what a request must be before a handler sees it, and how every answer looks.

pub mod codes;
pub mod conditional;
pub mod json;
pub mod paging;
mod percent;
pub mod problem;
pub mod request_id;
