//! What every request must be before anything looks at what it asks for.
//!
//! Two readers of a request (a proxy in front, and this server) must agree on
//! where it ends and whom it is for. Where its words leave a choice it is
//! refused, even though HTTP would allow us to choose.

use std::net::Ipv6Addr;

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Version, header};

use super::framing::DeclaredFraming;
use super::percent;
use super::problem::Problem;

/// Refuses requests that can be read in two ways, and says 404 to paths that cannot be decoded,
/// for nothing can be there.
pub fn refuse_ambiguous(request: &Request) -> Result<(), Problem> {
    check_length(request)?;
    check_host(request)?;
    if percent::is_decodable(request.uri().path()) { Ok(()) } else { Err(Problem::not_found()) }
}

/// The body has one length, told in one way. The lines that hyper has already
/// tidied away count too.
fn check_length(request: &Request) -> Result<(), Problem> {
    let declared = request.extensions().get::<DeclaredFraming>().copied().unwrap_or_default();
    let lines = |name| request.headers().get_all(name).iter().count();
    let content_lengths = lines(header::CONTENT_LENGTH).max(declared.content_lengths);
    let transfer_encodings = lines(header::TRANSFER_ENCODING).max(declared.transfer_encodings);
    let is_chunked_alone = request
        .headers()
        .get_all(header::TRANSFER_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"));
    if !is_chunked_alone {
        return Err(Problem::bad_request("The only transfer-encoding known here is chunked.")
            .header(header::CONNECTION, HeaderValue::from_static("close")));
    }
    if content_lengths + transfer_encodings <= 1 {
        return Ok(());
    }
    let problem = Problem::bad_request(
        "A request must have at most one content-length or transfer-encoding, not both.",
    );
    // What follows on this connection may be part of this request or the next one.
    Err(problem.header(header::CONNECTION, HeaderValue::from_static("close")))
}

/// From HTTP/1.1 on there is one host (RFC 9112, section 3.2).
fn check_host(request: &Request) -> Result<(), Problem> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let is_sound = match (hosts.next(), hosts.next()) {
        (Some(host), None) => match request.uri().authority() {
            None => is_host(host.as_bytes()),
            // A target that names a host as well must name the same one, and be of the web.
            Some(target) => {
                is_host(host.as_bytes())
                    && matches!(request.uri().scheme_str(), None | Some("http" | "https"))
                    && Authority::try_from(host.as_bytes()).is_ok_and(|host| *target == host)
            }
        },
        (None, _) => request.version() < Version::HTTP_11,
        (Some(_), Some(_)) => false,
    };
    if is_sound { Ok(()) } else { Err(Problem::bad_request("A request must name its host, once.")) }
}

/// Whether a host is a name or an address, with or without a port. It may have nobody's name before
/// it, no encoded characters in it, and no zone, which means nothing on another machine.
fn is_host(host: &[u8]) -> bool {
    let (is_sound, rest) = match host.strip_prefix(b"[") {
        None => {
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
            let end = host.iter().position(|byte| *byte == b':').unwrap_or(host.len());
            let (name, rest) = host.split_at_checked(end).unwrap_or_default();
            (!name.is_empty() && name.iter().all(is_name), rest)
        }
        Some(bracketed) => {
            let end = bracketed.iter().position(|byte| *byte == b']').unwrap_or(bracketed.len());
            let (address, rest) = bracketed.split_at_checked(end).unwrap_or_default();
            let address = std::str::from_utf8(address).unwrap_or_default();
            (
                address.parse::<Ipv6Addr>().is_ok() && !rest.is_empty(),
                rest.get(1..).unwrap_or_default(),
            )
        }
    };
    is_sound && is_port_part(rest)
}

/// Whether what follows a name is nothing, or a colon and a port, which may be left out.
fn is_port_part(rest: &[u8]) -> bool {
    let Some(port) = rest.strip_prefix(b":") else { return rest.is_empty() };
    let port = std::str::from_utf8(port).unwrap_or("x");
    port.is_empty()
        || (port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use proptest::prelude::*;

    use super::*;

    fn status(headers: &[(&str, &str)], prepare: impl FnOnce(&mut Request)) -> Option<StatusCode> {
        let mut request = Request::post("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        prepare(&mut request);
        refuse_ambiguous(&request).err().map(|problem| problem.status())
    }

    proptest! {
        #[test]
        fn a_host_is_part_of_a_target_that_parses(host in "[a-z0-9.:@\\[\\]/?#% -]{0,12}") {
            let parses = Authority::try_from(host.as_bytes()).is_ok();
            prop_assert!(!is_host(host.as_bytes()) || parses);
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_maybe_a_port() {
        for host in [
            "a",
            "a.example",
            "a_b-c.example:80",
            "a:",
            "127.0.0.1:3000",
            "[::1]",
            "[::1]:3000",
            "[2001:db8::1]:65535",
            "xn--mller-kva.example",
            "a.example.",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "",
            ":80",
            "a@b",
            "user:pass@a",
            "@",
            "a b",
            "a/b",
            "a?b",
            "a#b",
            "a,b",
            "a%20b",
            "a:x",
            "a:65536",
            "a:80:80",
            "a:-1",
            "a:+80",
            "[",
            "[]",
            "[::1",
            "[::1]x",
            "[::1]80",
            "[a]",
            "[fe80::1%eth0]",
            "[fe80::1%25eth0]:80",
            "[127.0.0.1]",
            "::1",
            "m\u{fc}ller.example",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn there_is_exactly_one_host() {
        let refused = Some(StatusCode::BAD_REQUEST);
        assert_eq!(status(&[("host", "a.example:3000")], |_| ()), None);
        assert_eq!(status(&[("host", "[::1]:3000")], |_| ()), None);
        assert_eq!(status(&[], |_| ()), refused);
        assert_eq!(status(&[("host", "")], |_| ()), refused);
        assert_eq!(status(&[("host", "a b")], |_| ()), refused);
        assert_eq!(status(&[("host", "a@b")], |_| ()), refused);
        assert_eq!(status(&[("host", "a"), ("host", "a")], |_| ()), refused);
        let old = |request: &mut Request| *request.version_mut() = Version::HTTP_10;
        assert_eq!(status(&[], old), None, "HTTP/1.0 knows no host");
        assert_eq!(status(&[("host", "a"), ("host", "b")], old), refused);
    }

    #[test]
    fn there_is_at_most_one_length() {
        let refused = Some(StatusCode::BAD_REQUEST);
        let host = ("host", "a");
        let (length, chunked) = (("content-length", "1"), ("transfer-encoding", "chunked"));
        assert_eq!(status(&[host, length], |_| ()), None);
        assert_eq!(status(&[host, chunked], |_| ()), None);
        assert_eq!(status(&[host, length, length], |_| ()), refused);
        assert_eq!(status(&[host, length, chunked], |_| ()), refused);
        assert_eq!(status(&[host, chunked, chunked], |_| ()), refused);
        let compressed = ("transfer-encoding", "gzip, chunked");
        assert_eq!(status(&[host, compressed], |_| ()), refused, "nothing unpacks it");
    }

    #[test]
    fn a_target_that_names_a_host_names_the_same_one() {
        let to = |uri: &'static str| move |r: &mut Request| *r.uri_mut() = uri.parse().unwrap();
        assert_eq!(status(&[("host", "a")], to("http://a/healthz")), None);
        let refused = Some(StatusCode::BAD_REQUEST);
        assert_eq!(status(&[("host", "a")], to("http://evil/healthz")), refused);
        assert_eq!(status(&[("host", "a")], to("ftp://a/healthz")), refused);
        assert_eq!(status(&[("host", "a")], to("http://user@a/healthz")), refused);
    }

    #[test]
    fn lines_that_were_tidied_away_count() {
        for (content_lengths, transfer_encodings) in [(2, 0), (1, 1)] {
            let declared = DeclaredFraming { content_lengths, transfer_encodings };
            let refused = status(&[("host", "a")], |request| {
                request.extensions_mut().insert(declared);
            });
            assert_eq!(refused, Some(StatusCode::BAD_REQUEST));
        }
    }

    #[test]
    fn a_path_that_cannot_be_decoded_is_not_found() {
        for path in ["/%ff", "/%", "/%zz", "/a/%c3%28"] {
            let refused = status(&[("host", "a")], |request| {
                *request.uri_mut() = path.parse().unwrap();
            });
            assert_eq!(refused, Some(StatusCode::NOT_FOUND), "{path}");
        }
    }
}
