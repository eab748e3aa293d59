//! How a session token travels: in a cookie to browsers, in `Authorization` from other clients.
//!
//! Where users come by https the cookie is called `__Host-session`. With that name a browser takes it
//! from this very host alone and over TLS alone, so neither another host of the domain nor a plain
//! connection can plant one. A cookie called `session` counts for nothing then, also one that was set
//! before the server had https: who has such a one signs in again, which takes it away.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE};

/// The cookie's name where users come by http.
const PLAIN_NAME: &str = "session";
/// And where they come by https.
const SECURE_NAME: &str = "__Host-session";

/// Every name that a session cookie may have.
pub const SESSION_COOKIE_NAMES: [&str; 2] = [PLAIN_NAME, SECURE_NAME];

/// How the session cookie is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionCookie {
    /// How long a browser keeps it: as long as its token lasts.
    pub max_age: Duration,
    /// Whether it is sent over TLS only: if the public URL is https.
    pub secure: bool,
}

impl SessionCookie {
    /// The cookie's name.
    pub fn name(&self) -> &'static str {
        if self.secure { SECURE_NAME } else { PLAIN_NAME }
    }

    /// The value of the `set-cookie` header that signs a browser in.
    pub fn set(&self, token: &str) -> String {
        write(self.name(), token, self.max_age, self.secure)
    }

    /// The value of the `set-cookie` header that signs it out.
    pub fn clear(&self) -> String {
        write(self.name(), "", Duration::ZERO, self.secure)
    }

    /// The value of the `set-cookie` header that takes away a cookie from before there was https.
    pub fn clear_plain(&self) -> Option<String> {
        self.secure.then(|| write(PLAIN_NAME, "", Duration::ZERO, true))
    }

    /// The session tokens that a request presents, not yet verified.
    ///
    /// A bearer token stands alone: if it is wrong the cookie does not count either, so a client that
    /// says who it is never acts as somebody else. A request with several `Authorization` headers
    /// contradicts itself and presents nothing. Of cookies there may be several, for another program on
    /// the same host, or another host of the domain, can set one of the same name.
    pub fn tokens<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> + use<'a> {
        let bearer = bearer(headers);
        let name = self.name();
        let cookies = matches!(bearer, Bearer::None).then(|| cookies(headers, name));
        let bearer = if let Bearer::Token(token) = bearer { Some(token) } else { None };
        bearer.into_iter().chain(cookies.into_iter().flatten())
    }
}

fn write(name: &str, value: &str, max_age: Duration, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    let seconds = max_age.as_secs();
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}

/// What `Authorization` says.
enum Bearer<'a> {
    /// Nothing, or something that is meant for a proxy in front.
    None,
    Token(&'a str),
    Contradiction,
}

/// The bearer token of a request, if it has one.
pub(super) fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    if let Bearer::Token(token) = bearer(headers) { Some(token) } else { None }
}

fn bearer(headers: &HeaderMap) -> Bearer<'_> {
    let mut authorizations = headers.get_all(AUTHORIZATION).iter();
    let Some(only) = authorizations.next() else { return Bearer::None };
    let Some(text) = only.to_str().ok().filter(|_| authorizations.next().is_none()) else {
        return Bearer::Contradiction;
    };
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    if scheme.eq_ignore_ascii_case("bearer") { Bearer::Token(rest.trim()) } else { Bearer::None }
}

/// The values of the cookies of that name. Works on bytes: the cookies of other programs on the same
/// host may hold any.
pub(super) fn cookies<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let lines = headers.get_all(COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| {
        let value = pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        std::str::from_utf8(value).ok().filter(|value| !value.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    const PLAIN: SessionCookie =
        SessionCookie { max_age: Duration::from_secs(3600), secure: false };
    const SECURE: SessionCookie = SessionCookie { secure: true, ..PLAIN };

    fn headers(pairs: &[(HeaderName, &[u8])]) -> HeaderMap {
        let value = |bytes: &[u8]| HeaderValue::from_bytes(bytes).unwrap();
        pairs.iter().map(|(name, bytes)| (name.clone(), value(bytes))).collect()
    }

    fn presented(cookie: SessionCookie, pairs: &[(HeaderName, &[u8])]) -> Vec<String> {
        cookie.tokens(&headers(pairs)).map(str::to_owned).collect()
    }

    fn from_cookies(cookies: &[&str]) -> Vec<String> {
        let pairs: Vec<_> = cookies.iter().map(|text| (COOKIE, text.as_bytes())).collect();
        presented(PLAIN, &pairs)
    }

    #[test]
    fn the_cookie_is_written_for_this_host_and_out_of_reach_of_scripts() {
        let rest = "; Path=/; HttpOnly; SameSite=Lax; Max-Age=";
        assert_eq!(PLAIN.set("a.b.c"), format!("session=a.b.c{rest}3600"));
        assert_eq!(PLAIN.clear(), format!("session={rest}0"));
        assert_eq!(PLAIN.clear_plain(), None);
        assert_eq!(SECURE.set("a.b.c"), format!("__Host-session=a.b.c{rest}3600; Secure"));
        assert_eq!(SECURE.clear(), format!("__Host-session={rest}0; Secure"));
        assert_eq!(SECURE.clear_plain(), Some(format!("session={rest}0; Secure")));
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        assert_eq!(from_cookies(&["a=1; session=t; b=2"]), ["t"]);
        assert_eq!(from_cookies(&["a=1;session=t"]), ["t"]);
        assert_eq!(from_cookies(&["a=1", "session=t"]), ["t"]);
        for none in
            ["", "session", "session=", "Session=t", "xsession=t", "session2=t", "a=session=t"]
        {
            assert!(from_cookies(&[none]).is_empty(), "{none}");
        }
    }

    #[test]
    fn every_cookie_of_the_name_is_presented() {
        assert_eq!(from_cookies(&["session=t; session=u", "session=v"]), ["t", "u", "v"]);
    }

    #[test]
    fn with_https_only_the_hosts_own_cookie_counts() {
        let both = [(COOKIE, b"session=planted; __Host-session=own".as_slice())];
        assert_eq!(presented(SECURE, &both), ["own"]);
        assert_eq!(presented(PLAIN, &both), ["planted"]);
    }

    #[test]
    fn another_cookie_of_any_bytes_does_no_harm() {
        assert_eq!(presented(PLAIN, &[(COOKIE, b"a=\xff\xfe; session=\xff; session=t")]), ["t"]);
    }

    #[test]
    fn a_bearer_token_goes_before_the_cookie_right_or_wrong() {
        for (authorization, token) in [
            ("Bearer t", "t"),
            ("bearer  t ", "t"),
            ("BEARER t", "t"),
            ("Bearer", ""),
            ("Bearer ", ""),
        ] {
            let both =
                [(AUTHORIZATION, authorization.as_bytes()), (COOKIE, b"session=c".as_slice())];
            assert_eq!(presented(PLAIN, &both), [token], "{authorization}");
        }
    }

    #[test]
    fn another_scheme_leaves_the_cookie_in_place() {
        let cookie = (COOKIE, b"session=c".as_slice());
        assert_eq!(presented(PLAIN, &[(AUTHORIZATION, b"Basic dTpw"), cookie]), ["c"]);
        assert!(presented(PLAIN, &[(AUTHORIZATION, b"Bearertoken")]).is_empty());
    }

    #[test]
    fn several_authorizations_present_nothing() {
        let bearer = (AUTHORIZATION, b"Bearer t".as_slice());
        assert!(presented(PLAIN, &[bearer.clone(), bearer, (COOKIE, b"session=c")]).is_empty());
        assert!(presented(PLAIN, &[(AUTHORIZATION, b"Bearer \xff")]).is_empty());
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(
            cookies in prop::collection::vec("(session|a|;|=| |[!-~]){0,12}", 0..4),
            authorizations in prop::collection::vec("(Bearer|Basic| |[!-~]){0,6}", 0..3),
        ) {
            let cookies = cookies.iter().map(|text| (COOKIE, text.as_bytes()));
            let authorizations = authorizations.iter().map(|text| (AUTHORIZATION, text.as_bytes()));
            let _ = presented(PLAIN, &cookies.chain(authorizations).collect::<Vec<_>>());
        }
    }
}
