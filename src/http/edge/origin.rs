//! The guard against cross-site request forgery.
//!
//! A browser adds the session cookie to a request that some other site's page
//! made. It also says where the request came from, and pages cannot change
//! that: so a request that changes something, carries the cookie and comes from
//! elsewhere is refused. A program sends neither header and is let through; it
//! holds the cookie because it was given it.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, header};

use super::codes::Code;
use super::problem::Problem;
use crate::auth::SESSION_COOKIE_NAMES;

/// The origin that users see, such as `https://tickets.example`, if it is configured.
pub type PublicOrigin = Option<Arc<str>>;

/// Refuses what another origin's page sends in the user's name.
pub fn refuse_cross_origin(public_origin: Option<&str>, request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let is_forged = changes_something(request.method())
        && acts_by_cookie(headers)
        && comes_from_elsewhere(headers, public_origin);
    if is_forged {
        let detail = "This request came from a page of another origin.";
        return Err(Problem::new(Code::CrossOrigin, detail));
    }
    Ok(())
}

fn changes_something(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH | Method::DELETE)
}

/// Whether the session is the cookie's. A bearer token is never sent by a
/// browser of its own accord; other schemes of `authorization` may be.
fn acts_by_cookie(headers: &HeaderMap) -> bool {
    let has_bearer = headers.get(header::AUTHORIZATION).is_some_and(|value| {
        let scheme = value.as_bytes().split(|&byte| byte == b' ').next().unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"bearer")
    });
    !has_bearer && has_session_cookie(headers)
}

fn has_session_cookie(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b';'))
        .filter_map(|pair| pair.split(|&byte| byte == b'=').next())
        .any(|name| SESSION_COOKIE_NAMES.iter().any(|own| name.trim_ascii() == own.as_bytes()))
}

fn comes_from_elsewhere(headers: &HeaderMap, public_origin: Option<&str>) -> bool {
    let is_foreign_site = headers
        .get_all("sec-fetch-site")
        .iter()
        .any(|site| site != "same-origin" && site != "none");
    let is_foreign_origin = headers
        .get_all(header::ORIGIN)
        .iter()
        .any(|origin| !is_own_origin(origin, public_origin, headers.get(header::HOST)));
    is_foreign_site || is_foreign_origin
}

/// Whether an origin is the configured one, with its scheme: a page that came
/// by http is another origin than one that came by https, and may be anybody's.
/// Where none is configured it is the host the request was sent to, and the
/// scheme is not compared, for behind a proxy that ends TLS this server does not
/// know it.
fn is_own_origin(
    origin: &HeaderValue,
    public_origin: Option<&str>,
    host: Option<&HeaderValue>,
) -> bool {
    // This includes `null`, which has no host.
    let Ok(origin) = origin.to_str() else { return false };
    if let Some(own) = public_origin {
        return own.eq_ignore_ascii_case(origin);
    }
    let (origin_host, default_port) = match origin.split_once("://") {
        Some(("https", origin_host)) => (origin_host, ":443"),
        Some(("http", origin_host)) => (origin_host, ":80"),
        _ => return false,
    };
    // An origin leaves the default port out; a host may name it.
    let Some(host) = host.and_then(|host| host.to_str().ok()) else { return false };
    let host = host.strip_suffix(default_port).unwrap_or(host);
    origin_host.eq_ignore_ascii_case(host)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;

    use super::*;

    const COOKIE: (&str, &str) = ("cookie", "theme=dark; session=token");

    const PUBLIC: Option<&str> = Some("https://tickets.example");

    fn is_refused(method: Method, headers: &[(&str, &str)]) -> bool {
        is_refused_at(None, method, headers)
    }

    fn is_refused_at(public: Option<&str>, method: Method, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().method(method).header("host", "Localhost:3000");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let refused = refuse_cross_origin(public, &request).err();
        refused.is_some_and(|problem| {
            assert_eq!(problem.status(), StatusCode::FORBIDDEN);
            true
        })
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        for sign in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "anything"),
            ("origin", "https://evil.example"),
            ("origin", "http://localhost:3001"),
            ("origin", "http://localhost"),
            ("origin", "https://tickets.example.evil"),
            ("origin", "null"),
            ("origin", "localhost:3000"),
            ("origin", "file://"),
            ("origin", ""),
        ] {
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                assert!(is_refused(method, &[COOKIE, sign]), "{sign:?}");
            }
        }
        let one_of_two = [COOKIE, ("origin", "http://localhost:3000"), ("origin", "null")];
        assert!(is_refused(Method::POST, &one_of_two));
    }

    #[test]
    fn own_pages_and_programs_are_served() {
        for sign in [
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "none"),
            ("origin", "http://localhost:3000"),
            ("origin", "https://localhost:3000"),
            ("accept", "*/*"),
        ] {
            assert!(!is_refused(Method::POST, &[COOKIE, sign]), "{sign:?}");
        }
    }

    #[test]
    fn with_a_public_url_that_origin_alone_is_our_own() {
        let is_refused =
            |origin| is_refused_at(PUBLIC, Method::POST, &[COOKIE, ("origin", origin)]);
        assert!(!is_refused("https://tickets.example"));
        for foreign in [
            "http://tickets.example",
            "https://tickets.example:8443",
            "http://localhost:3000",
            "https://localhost:3000",
        ] {
            assert!(is_refused(foreign), "{foreign}");
        }
    }

    #[test]
    fn the_cookie_of_https_is_guarded_too() {
        let cookie = ("cookie", "__Host-session=token");
        let foreign = ("origin", "https://evil.example");
        assert!(is_refused_at(PUBLIC, Method::POST, &[cookie, foreign]));
    }

    #[test]
    fn only_changes_by_cookie_are_guarded() {
        let foreign = ("origin", "https://evil.example");
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(!is_refused(method, &[COOKIE, foreign]));
        }
        assert!(!is_refused(Method::POST, &[foreign]));
        assert!(!is_refused(Method::POST, &[("cookie", "xsession=1; s=session"), foreign]));
        let bearer = ("authorization", "Bearer token");
        assert!(!is_refused(Method::POST, &[COOKIE, foreign, bearer]));
        let basic = ("authorization", "Basic dTpw");
        assert!(is_refused(Method::POST, &[COOKIE, foreign, basic]));
        assert!(is_refused(Method::POST, &[("cookie", "a=b"), COOKIE, foreign]));
    }

    #[test]
    fn a_default_port_in_the_host_is_the_same_host() {
        let host = HeaderValue::from_static("a.example:443");
        let origin = HeaderValue::from_static("https://a.example");
        assert!(is_own_origin(&origin, None, Some(&host)));
        let origin = HeaderValue::from_static("http://a.example");
        assert!(!is_own_origin(&origin, None, Some(&host)));
    }
}
