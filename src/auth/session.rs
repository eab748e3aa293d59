//! How a session token travels: in a cookie to browsers, in `Authorization` from other clients.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE};

/// The cookie's name.
const NAME: &str = "session";

/// How the session cookie is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionCookie {
    /// How long a browser keeps it: as long as its token lasts.
    pub max_age: Duration,
    /// Whether it is sent over TLS only: if the public URL is https.
    pub secure: bool,
}

impl SessionCookie {
    /// The value of the `set-cookie` header that signs a browser in.
    pub fn set(&self, token: &str) -> String {
        self.write(token, self.max_age)
    }

    /// The value of the `set-cookie` header that signs it out.
    pub fn clear(&self) -> String {
        self.write("", Duration::ZERO)
    }

    fn write(&self, value: &str, max_age: Duration) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        let seconds = max_age.as_secs();
        format!("{NAME}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
    }
}

/// A session token as a request presents it, not yet verified.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credential<'a> {
    /// From `Authorization: Bearer`, which a browser never sends by itself.
    Bearer(&'a str),
    /// From the cookie, which a browser sends along with requests that other sites make.
    Cookie(&'a str),
}

impl<'a> Credential<'a> {
    /// The token.
    pub fn token(self) -> &'a str {
        match self {
            Self::Bearer(token) | Self::Cookie(token) => token,
        }
    }
}

impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer(…)",
            Self::Cookie(_) => "Cookie(…)",
        })
    }
}

/// The session token that a request presents.
///
/// A bearer token stands alone: if it is wrong the cookie does not count either, so a client that
/// says who it is never acts as somebody else. A request that contradicts itself, with several
/// `Authorization` headers or several different session cookies, presents nothing. We set the cookie
/// in one way only, so a second one was put there by somebody else, for instance another host of the
/// same domain, and picking either could sign a browser in as the one who put it there.
pub fn credential(headers: &HeaderMap) -> Option<Credential<'_>> {
    let mut authorizations = headers.get_all(AUTHORIZATION).iter();
    match (authorizations.next(), authorizations.next()) {
        (None, _) => cookie(headers).map(Credential::Cookie),
        (Some(only), None) => {
            let text = only.to_str().ok()?;
            let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
            if scheme.eq_ignore_ascii_case("bearer") {
                Some(Credential::Bearer(rest.trim()))
            } else {
                // Another scheme is meant for a proxy in front, not for us.
                cookie(headers).map(Credential::Cookie)
            }
        }
        (Some(_), Some(_)) => None,
    }
}

/// Works on bytes: the cookies of other programs on the same host may hold any.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|header| header.as_bytes().split(is_end));
    let mut values = pairs.filter_map(|pair| {
        let value = pair.trim_ascii().strip_prefix(NAME.as_bytes())?.strip_prefix(b"=")?;
        (!value.is_empty()).then_some(value)
    });
    let first = values.next()?;
    let is_unanimous = values.all(|value| value == first);
    if is_unanimous { std::str::from_utf8(first).ok() } else { None }
}

fn is_end(byte: &u8) -> bool {
    *byte == b';'
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(HeaderName, &[u8])]) -> HeaderMap {
        let value = |bytes: &[u8]| HeaderValue::from_bytes(bytes).unwrap();
        pairs.iter().map(|(name, bytes)| (name.clone(), value(bytes))).collect()
    }

    fn from_cookies(cookies: &[&str]) -> Option<String> {
        let pairs: Vec<_> = cookies.iter().map(|text| (COOKIE, text.as_bytes())).collect();
        credential(&headers(&pairs)).map(|credential| credential.token().to_owned())
    }

    #[test]
    fn the_cookie_is_written_for_this_host_and_out_of_reach_of_scripts() {
        let cookie = SessionCookie { max_age: Duration::from_secs(3600), secure: false };
        let set = "session=a.b.c; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600";
        assert_eq!(cookie.set("a.b.c"), set);
        assert_eq!(cookie.clear(), "session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
        let secure = SessionCookie { secure: true, ..cookie };
        assert_eq!(secure.set("a.b.c"), format!("{set}; Secure"));
        assert!(secure.clear().ends_with("; Secure"));
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        assert_eq!(from_cookies(&["a=1; session=t; b=2"]).unwrap(), "t");
        assert_eq!(from_cookies(&["a=1;session=t"]).unwrap(), "t");
        assert_eq!(from_cookies(&["a=1", "session=t"]).unwrap(), "t");
        for none in
            ["", "session", "session=", "Session=t", "xsession=t", "session2=t", "a=session=t"]
        {
            assert_eq!(from_cookies(&[none]), None, "{none}");
        }
    }

    #[test]
    fn another_cookie_of_any_bytes_does_no_harm() {
        let found = headers(&[(COOKIE, b"a=\xff\xfe; session=t")]);
        assert_eq!(credential(&found), Some(Credential::Cookie("t")));
        assert_eq!(credential(&headers(&[(COOKIE, b"session=\xff")])), None);
    }

    #[test]
    fn several_session_cookies_count_only_if_they_agree() {
        assert_eq!(from_cookies(&["session=t; session=t"]).unwrap(), "t");
        assert_eq!(from_cookies(&["session=; session=t"]).unwrap(), "t");
        assert_eq!(from_cookies(&["session=t; session=u"]), None);
        assert_eq!(from_cookies(&["session=t", "session=u"]), None);
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
                headers(&[(AUTHORIZATION, authorization.as_bytes()), (COOKIE, b"session=c")]);
            assert_eq!(credential(&both), Some(Credential::Bearer(token)), "{authorization}");
        }
    }

    #[test]
    fn another_scheme_leaves_the_cookie_in_place() {
        let both = headers(&[(AUTHORIZATION, b"Basic dTpw"), (COOKIE, b"session=c")]);
        assert_eq!(credential(&both), Some(Credential::Cookie("c")));
        assert_eq!(credential(&headers(&[(AUTHORIZATION, b"Bearertoken")])), None);
    }

    #[test]
    fn several_authorizations_present_nothing() {
        let twice = headers(&[
            (AUTHORIZATION, b"Bearer t"),
            (AUTHORIZATION, b"Bearer t"),
            (COOKIE, b"session=c"),
        ]);
        assert_eq!(credential(&twice), None);
        assert_eq!(credential(&headers(&[(AUTHORIZATION, b"Bearer \xff")])), None);
    }

    #[test]
    fn a_token_is_not_shown() {
        assert!(!format!("{:?}", Credential::Bearer("hidden")).contains("hidden"));
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(
            cookies in prop::collection::vec("(session|a|;|=| |[!-~]){0,12}", 0..4),
            authorizations in prop::collection::vec("(Bearer|Basic| |[!-~]){0,6}", 0..3),
        ) {
            let cookies = cookies.iter().map(|text| (COOKIE, text.as_bytes()));
            let authorizations = authorizations.iter().map(|text| (AUTHORIZATION, text.as_bytes()));
            let _ = credential(&headers(&cookies.chain(authorizations).collect::<Vec<_>>()));
        }
    }
}
