//! The kinds of values that settings have: each function turns what a layer gave into a value, or
//! nothing if it is of the wrong type or out of range.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use axum::http::Uri;
use axum::http::header::HeaderName;
use secrecy::SecretString;
use toml::Value;

use super::layers::Given;

/// The address that clients reach the server under, as a browser's `Origin` header spells it:
/// scheme, host in lower case, and the port unless it is the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// Reads an http or https URL that has neither a path nor a query.
    pub fn parse(text: &str) -> Option<Self> {
        let url: Uri = text.parse().ok()?;
        let (scheme, authority) = (url.scheme_str()?, url.authority()?);
        let default_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let host = authority.host().to_ascii_lowercase();
        let is_bare = matches!(url.path(), "" | "/") && url.query().is_none();
        if !is_bare || host.is_empty() || authority.as_str().contains('@') || text.contains('#') {
            return None;
        }
        // `host:` and a port over 65535 both show as a missing port.
        let port_given = authority.as_str().len() > authority.host().len();
        match authority.port_u16() {
            None if port_given => None,
            Some(port) if port != default_port => Some(Self(format!("{scheme}://{host}:{port}"))),
            _ => Some(Self(format!("{scheme}://{host}"))),
        }
    }

    /// The URL of a server that is reached under the very address it listens on.
    pub fn of_listener(listen: SocketAddr) -> Self {
        let host = if listen.ip().is_unspecified() {
            "localhost".to_owned()
        } else if listen.is_ipv6() {
            format!("[{}]", listen.ip())
        } else {
            listen.ip().to_string()
        };
        match listen.port() {
            80 => Self(format!("http://{host}")),
            port => Self(format!("http://{host}:{port}")),
        }
    }

    /// The URL of a server that is reached under the name and the port it listens on.
    pub(super) fn of_name(host: &str, port: u16) -> Self {
        match port {
            80 => Self(format!("http://{host}")),
            port => Self(format!("http://{host}:{port}")),
        }
    }

    /// The URL without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether clients come over TLS, so that cookies must be `Secure`.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn text(given: &Given) -> Option<&str> {
    match given {
        Given::Typed(Value::String(text)) | Given::Text(text) => Some(text),
        Given::Typed(_) => None,
    }
}

/// A whole number in the range.
pub(super) fn number<T: TryFrom<u64>>(given: &Given, range: &RangeInclusive<u64>) -> Option<T> {
    let number = match given {
        Given::Typed(Value::Integer(number)) => u64::try_from(*number).ok()?,
        Given::Text(text) => text.parse().ok()?,
        Given::Typed(_) => return None,
    };
    if range.contains(&number) { T::try_from(number).ok() } else { None }
}

/// A decimal number that is not negative, as it is written.
pub(super) fn amount(given: &Given) -> Option<String> {
    let text = match given {
        Given::Typed(Value::Integer(number)) => number.to_string(),
        // The shortest text of a float is what was written.
        Given::Typed(Value::Float(number)) => number.to_string(),
        given => text(given)?.to_owned(),
    };
    let is_amount = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, rest) = text.split_once('.').unwrap_or((&text, "0"));
    (is_amount(whole) && is_amount(rest)).then_some(text)
}

/// A whole number up to a million, of which zero is none.
pub(super) fn number_or_none(given: &Given) -> Option<Option<u32>> {
    let number = number(given, &(0..=1_000_000))?;
    Some(Some(number).filter(|number| *number > 0))
}

/// A whole number in the range; the word `auto` is none.
pub(super) fn number_or_auto<T: TryFrom<u64>>(
    given: &Given,
    range: &RangeInclusive<u64>,
) -> Option<Option<T>> {
    if text(given) == Some("auto") { Some(None) } else { number(given, range).map(Some) }
}

/// True or false, which the environment may also spell on, off, 1 and 0.
pub(super) fn switch(given: &Given) -> Option<bool> {
    match given {
        Given::Typed(Value::Boolean(flag)) => Some(*flag),
        Given::Typed(_) => None,
        Given::Text(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "on" | "1" => Some(true),
            "false" | "off" | "0" => Some(false),
            _ => None,
        },
    }
}

/// Where to listen, and the host's name if it was given by name. A name that has several addresses
/// means the first of IPv4, which is what `localhost` is expected to be.
pub(super) fn address(given: &Given) -> Option<(SocketAddr, Option<String>)> {
    let text = text(given)?;
    if let Ok(address) = text.parse() {
        return Some((address, None));
    }
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let found: Vec<SocketAddr> = (host, port).to_socket_addrs().ok()?.collect();
    let address = found.iter().find(|address| address.is_ipv4()).or(found.first())?;
    Some((*address, Some(host.to_ascii_lowercase())))
}

pub(super) fn path(given: &Given) -> Option<PathBuf> {
    text(given).filter(|text| !text.is_empty()).map(PathBuf::from)
}

/// A header's name in lower case; an empty text is none.
pub(super) fn header(given: &Given) -> Option<Option<String>> {
    match text(given)? {
        "" => Some(None),
        name => HeaderName::try_from(name).ok().map(|name| Some(name.as_str().to_owned())),
    }
}

/// Names of hosts in lower case, as a list, or as one text with commas between them.
pub(super) fn host_names(given: &Given) -> Option<Vec<String>> {
    let texts: Vec<&str> = match given {
        Given::Typed(Value::Array(items)) => {
            items.iter().map(Value::as_str).collect::<Option<_>>()?
        }
        given => match text(given)? {
            "" => Vec::new(),
            text => text.split(',').map(str::trim).collect(),
        },
    };
    let is_name = |text: &&str| {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        (1..=253).contains(&text.len()) && text.bytes().all(is_part)
    };
    let are_names = texts.iter().all(is_name);
    are_names.then(|| texts.into_iter().map(str::to_ascii_lowercase).collect())
}

/// The URL of another server, without a trailing slash. It may have a path.
pub(super) fn base_url(given: &Given) -> Option<String> {
    let text = text(given)?.trim_end_matches('/');
    let url: Uri = text.parse().ok()?;
    let is_http = matches!(url.scheme_str(), Some("http" | "https"));
    let has_host = url.host().is_some_and(|host| !host.is_empty());
    (is_http && has_host && url.query().is_none()).then(|| text.to_owned())
}

/// The URL of a database, of which more is known when it is opened; an empty text is none.
pub(super) fn database(given: &Given) -> Option<Option<SecretString>> {
    match text(given)? {
        "" => Some(None),
        url => {
            let is_url = ["postgres://", "postgresql://"].iter().any(|head| url.starts_with(head));
            is_url.then(|| Some(SecretString::from(url)))
        }
    }
}

/// One visible-ASCII secret; an empty text is none.
pub(super) fn secret(given: &Given) -> Option<Option<SecretString>> {
    match text(given)? {
        "" => Some(None),
        text => is_secret(text).then(|| Some(SecretString::from(text))),
    }
}

/// Secrets as a list, or as one text with commas between them.
pub(super) fn secrets(given: &Given) -> Option<Vec<SecretString>> {
    let texts: Vec<&str> = match given {
        Given::Typed(Value::Array(items)) => {
            items.iter().map(Value::as_str).collect::<Option<_>>()?
        }
        given => match text(given)? {
            "" => Vec::new(),
            text => text.split(',').map(str::trim).collect(),
        },
    };
    let are_secrets = texts.iter().all(|text| is_secret(text));
    are_secrets.then(|| texts.into_iter().map(SecretString::from).collect())
}

fn is_secret(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}
