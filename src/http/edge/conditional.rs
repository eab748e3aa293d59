//! Conditional requests (RFC 9110, section 13): `etag`, `if-none-match`, `if-match`.
//!
//! The entity tag of a resource is its version in quotes, so a tag that is not
//! a version in quotes is one this server never gave out, and matches nothing.
//!
//! A proxy that compresses an answer makes its tag weak, and the client sends it back like that. The
//! version is the identity of what is to be changed, whatever bytes showed it, so a weak tag that
//! names it is accepted in `if-match` too, where RFC 9110 would have only strong ones match.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use crate::domain::ExpectedVersion;

/// The entity tag of a resource at this version: `"7"`.
pub fn etag(version: u64) -> HeaderValue {
    // Digits in quotes are a valid header value.
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// The entity tag of a resource that shows more than its own row: `"7-0f1e2d3c4b5a6978"`, of its version
/// and all that is shown.
pub fn shown_etag(version: u64, body: &[u8]) -> HeaderValue {
    let hash = Sha256::digest(body);
    let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::try_from(format!("\"{version}-{hash}\""))
        .unwrap_or(HeaderValue::from_static("\"\""))
}

/// Whether the client already has what is shown under this tag, by `if-none-match`.
pub fn is_fresh_as_shown(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let tag = tag.to_str().unwrap_or_default().trim_matches('"');
    match parse(headers, &header::IF_NONE_MATCH, |opaque| (opaque == tag).then_some(0)) {
        Tags::Absent => false,
        Tags::Any => true,
        Tags::Listed(tags) => !tags.is_empty(),
    }
}

/// Whether the client already has this version, by `if-none-match`.
pub fn is_fresh(headers: &HeaderMap, version: u64) -> bool {
    match parse(headers, &header::IF_NONE_MATCH, parse_version) {
        Tags::Absent => false,
        Tags::Any => true,
        Tags::Listed(tags) => tags.contains(&version),
    }
}

/// 304 for a client that has this version.
pub fn not_modified(version: u64) -> Response {
    (StatusCode::NOT_MODIFIED, [(header::ETAG, etag(version))]).into_response()
}

/// What `if-match` asks of the resource before it is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// Nothing.
    Absent,
    /// That it exists.
    Any,
    /// That it is at one of these versions. None of them, if all the client sent is garbage.
    Versions(Vec<u64>),
}

impl IfMatch {
    /// Reads `if-match`.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        match parse(headers, &header::IF_MATCH, version_of) {
            Tags::Absent => Self::Absent,
            Tags::Any => Self::Any,
            Tags::Listed(tags) => Self::Versions(tags),
        }
    }

    /// Whether a resource at this version may be changed.
    pub fn matches(&self, version: u64) -> bool {
        match self {
            Self::Absent | Self::Any => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }
}

/// The versions that a change is meant for, by `if-match`.
pub fn expected_version(headers: &HeaderMap) -> ExpectedVersion {
    match IfMatch::from_headers(headers) {
        IfMatch::Absent | IfMatch::Any => ExpectedVersion::Any,
        IfMatch::Versions(versions) => ExpectedVersion::OneOf(versions),
    }
}

enum Tags {
    Absent,
    Any,
    /// The versions that the tags name, weak ones included.
    Listed(Vec<u64>),
}

/// Reads a list of entity tags. Reading stops where the list stops being one;
/// what came before counts.
fn parse(headers: &HeaderMap, name: &HeaderName, version: impl Fn(&str) -> Option<u64>) -> Tags {
    let mut lines = headers.get_all(name).iter().peekable();
    if lines.peek().is_none() {
        return Tags::Absent;
    }
    let mut tags = Vec::new();
    for line in lines {
        // A tag may hold any byte, but none of ours holds more than digits.
        let Ok(line) = line.to_str() else { continue };
        if line.trim() == "*" {
            return Tags::Any;
        }
        read_list(line, &version, &mut tags);
    }
    Tags::Listed(tags)
}

fn read_list(mut rest: &str, version: &impl Fn(&str) -> Option<u64>, tags: &mut Vec<u64>) {
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let quoted = rest.strip_prefix("W/").unwrap_or(rest);
        // A comma within the quotes belongs to the tag.
        let Some((opaque, after)) = quoted.strip_prefix('"').and_then(|q| q.split_once('"')) else {
            return;
        };
        if let Some(version) = version(opaque) {
            tags.push(version);
        }
        rest = after;
    }
}

/// The version in a tag, whether or not a hash of what was shown follows it.
fn version_of(opaque: &str) -> Option<u64> {
    match opaque.split_once('-') {
        None => parse_version(opaque),
        Some((version, hash)) => {
            let is_hash = !hash.is_empty() && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            parse_version(version).filter(|_| is_hash)
        }
    }
}

/// A version in the one way this server writes it: no sign, no leading zero.
fn parse_version(opaque: &str) -> Option<u64> {
    let version: u64 = opaque.parse().ok()?;
    (version.to_string() == opaque).then_some(version)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(name: HeaderName, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        headers
    }

    fn if_match(lines: &[&str]) -> IfMatch {
        IfMatch::from_headers(&headers(header::IF_MATCH, lines))
    }

    fn fresh(lines: &[&str], version: u64) -> bool {
        is_fresh(&headers(header::IF_NONE_MATCH, lines), version)
    }

    #[test]
    fn a_tag_is_the_version_in_quotes() {
        assert_eq!(etag(0), "\"0\"");
        assert_eq!(etag(u64::MAX), "\"18446744073709551615\"");
        assert_eq!(not_modified(3).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(not_modified(3).headers()[header::ETAG], "\"3\"");
    }

    #[test]
    fn if_match_reads_lists_over_several_lines() {
        assert_eq!(if_match(&[]), IfMatch::Absent);
        assert_eq!(if_match(&["*"]), IfMatch::Any);
        assert_eq!(if_match(&[" \"1\" ,, \"2\"", "\"3\""]), IfMatch::Versions(vec![1, 2, 3]));
        assert_eq!(if_match(&["\"a,b\", \"4\""]), IfMatch::Versions(vec![4]));
    }

    #[test]
    fn if_match_compares_versions_whatever_a_proxy_made_of_the_tag() {
        assert!(if_match(&["\"7\""]).matches(7));
        assert!(!if_match(&["\"7\""]).matches(8));
        assert!(if_match(&["W/\"7\""]).matches(7));
        assert!(!if_match(&["W/\"7\""]).matches(8));
        assert!(!if_match(&["w/\"7\""]).matches(7), "the mark has one spelling");
        assert!(if_match(&["W/\"6\", \"7\""]).matches(7));
        assert!(if_match(&["*"]).matches(7));
        assert!(if_match(&[]).matches(7));
    }

    #[test]
    fn garbage_in_if_match_matches_nothing() {
        for line in ["", "7", "\"07\"", "\"+7\"", "\"7", "7\"", "\"\"", "'7'", "\"7.0\"", "é"] {
            assert!(!if_match(&[line]).matches(7), "{line:?}");
        }
    }

    #[test]
    fn a_hash_of_what_was_shown_may_follow_the_version() {
        assert!(if_match(&["\"7-09af\""]).matches(7));
        for line in ["\"7-\"", "\"7-xyz\"", "\"-09af\"", "\"7-09af-\""] {
            assert!(!if_match(&[line]).matches(7), "{line:?}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        assert!(fresh(&["\"7\""], 7));
        assert!(fresh(&["W/\"7\""], 7));
        assert!(fresh(&["\"6\", W/\"7\""], 7));
        assert!(fresh(&["*"], 7));
        assert!(!fresh(&["\"6\""], 7));
        assert!(!fresh(&["garbage"], 7));
        assert!(!fresh(&[], 7));
    }

    proptest! {
        #[test]
        fn no_header_makes_the_reader_panic(bytes: Vec<u8>) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut headers = HeaderMap::new();
                headers.insert(header::IF_MATCH, value.clone());
                headers.insert(header::IF_NONE_MATCH, value);
                IfMatch::from_headers(&headers).matches(0);
                is_fresh(&headers, 0);
            }
        }

        #[test]
        fn a_tag_given_out_is_recognised(version: u64) {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, etag(version));
            prop_assert_eq!(IfMatch::from_headers(&headers), IfMatch::Versions(vec![version]));
        }
    }
}
