//! What a start tells on standard output, because whoever started the server asked for it; the log
//! goes to standard error. With `log.format = "json"` it is lines of JSON that look like the log's.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::{Value, json};

use crate::config::LogFormat;
use crate::seams::{Clock as _, SystemClock};

/// Where everything is.
#[derive(Debug, Clone)]
pub struct Banner {
    /// The address of the storefront, as people open it.
    pub storefront: String,
    /// Where the API listens.
    pub api: String,
    /// Where metrics and backups are served.
    pub admin: String,
    /// The data file.
    pub data: String,
    /// The most that the store's cache may take, in MiB.
    pub cache_mib: usize,
    /// Who takes the money.
    pub payments: String,
    /// The currency of every price.
    pub currency: String,
    /// How long an order holds its ticket, in seconds.
    pub hold_seconds: u64,
    /// The key file that was missing although the store was in use, so that everyone is signed out.
    pub missing_key: Option<String>,
}

impl Banner {
    /// Writes it. That nobody reads it is no reason to stop.
    pub fn print(&self, format: LogFormat) {
        print(format, &self.text(), "gittix is ready", &self.fields());
    }

    fn text(&self) -> String {
        let minutes = std::time::Duration::from_secs(self.hold_seconds).as_secs_f64() / 60.0;
        let mut text = format!(
            "gittix {} is ready\n  pages     {}  (the storefront)\n  API       http://{}  \
             (documentation: /api/docs)\n  admin     http://{}  (metrics: /metrics)\n  data      {}  \
             (cache: up to {} MiB)\n  payments  {}, in {}\n",
            env!("CARGO_PKG_VERSION"),
            self.storefront,
            self.api,
            self.admin,
            self.data,
            self.cache_mib,
            self.payments,
            self.currency,
        );
        if let Some(file) = &self.missing_key {
            let _ = writeln!(text, "  sessions  all ended: {file} was missing and is made anew");
        }
        let _ = write!(text, "  holds     {minutes} min");
        text
    }

    fn fields(&self) -> Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "storefront": self.storefront,
            "api": self.api,
            "admin": self.admin,
            "data": self.data,
            "cacheMib": self.cache_mib,
            "payments": self.payments,
            "currency": self.currency,
            "holdSeconds": self.hold_seconds,
            "missingKey": self.missing_key,
        })
    }
}

/// Writes a line of text or, in JSON, a message with fields.
pub fn print(format: LogFormat, text: &str, message: &str, fields: &Value) {
    let mut out = std::io::stdout().lock();
    let _ = match format {
        LogFormat::Text => writeln!(out, "{text}"),
        LogFormat::Json => writeln!(out, "{}", line(message, fields)),
    };
    let _ = out.flush();
}

fn line(message: &str, fields: &Value) -> Value {
    let mut all = serde_json::Map::from_iter([("message".to_owned(), json!(message))]);
    all.extend(fields.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())));
    json!({
        "timestamp": SystemClock.now().to_string(),
        "level": "INFO",
        "fields": all,
        "target": "gittix",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner() -> Banner {
        Banner {
            storefront: "https://tickets.example.com".to_owned(),
            api: "127.0.0.1:3000".to_owned(),
            admin: "127.0.0.1:3001".to_owned(),
            data: "/data/gittix.redb".to_owned(),
            cache_mib: 64,
            payments: "sandbox".to_owned(),
            currency: "usd".to_owned(),
            hold_seconds: 90,
            missing_key: None,
        }
    }

    #[test]
    fn people_are_told_where_everything_is() {
        let text = banner().text();
        for expected in
            ["https://tickets.example.com", "API       http://127.0.0.1:3000 ", "1.5 min"]
        {
            assert!(text.contains(expected), "{text}");
        }
        assert!(!text.contains("sessions"), "{text}");
        let missing_key = Some("data/session.key".to_owned());
        let text = Banner { missing_key, ..banner() }.text();
        assert!(text.contains("all ended: data/session.key was missing"), "{text}");
    }

    #[test]
    fn machines_are_told_the_same_in_a_line_that_looks_like_the_logs() {
        let line = line("gittix is ready", &banner().fields());
        assert_eq!(line["fields"]["message"], "gittix is ready");
        assert_eq!(line["fields"]["api"], "127.0.0.1:3000");
        assert_eq!(line["level"], "INFO");
        assert!(!line.to_string().contains('\n'));
    }
}
