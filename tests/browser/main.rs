//! The storefront in a real browser, used as people use it. Run by `scripts/test-browser`.

mod accessibility;
mod support;
mod trade;
