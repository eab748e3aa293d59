//! What a client is called in the list of sessions: `Firefox (Linux)`, `curl/8.11.0`.

/// No name is longer, whatever a client sends.
const MAX_CHARS: usize = 40;

/// Browsers by what only they say of themselves. Most pretend to be others as well, so those that
/// others pretend to be come last.
const BROWSERS: [(&str, &str); 13] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// What they run on, likewise.
const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// What a client is called. Short, and without characters that are not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientName(String);

impl ClientName {
    /// The name of a client that says this of itself, if it says anything that can be shown.
    pub fn of_user_agent(text: &str) -> Option<Self> {
        let named = |names: &[(&str, &'static str)]| {
            names.iter().find(|(sign, _)| text.contains(sign)).map(|(_, name)| *name)
        };
        // Every browser begins with this word, and hardly a program does.
        if text.starts_with("Mozilla/") {
            let name = match (named(&BROWSERS), named(&SYSTEMS)) {
                (Some(browser), Some(system)) => format!("{browser} ({system})"),
                (Some(only), None) | (None, Some(only)) => only.to_owned(),
                (None, None) => return None,
            };
            return Some(Self(name));
        }
        let product = text.split([' ', '(', ';']).next().unwrap_or_default();
        let shown = product.chars().filter(char::is_ascii_graphic).take(MAX_CHARS);
        Some(Self(shown.collect())).filter(|name| !name.0.is_empty())
    }

    /// A name that was stored.
    pub fn accepted_before(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Option<String> {
        ClientName::of_user_agent(text).map(|name| name.0)
    }

    #[test]
    fn browsers_are_told_apart_though_they_pretend_to_be_each_other() {
        let webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (text, expected) in [
            ("(X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox (Linux)"),
            (
                &format!("(Windows NT 10.0; Win64) {webkit} Chrome/140.0.0.0 Safari/537.36"),
                "Chrome (Windows)",
            ),
            (
                &format!("(Windows NT 10.0) {webkit} Chrome/140.0 Safari/537.36 Edg/140.0"),
                "Edge (Windows)",
            ),
            (
                "(Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15",
                "Safari (macOS)",
            ),
            (
                "(iPhone; CPU iPhone OS 18_0 like Mac OS X) CriOS/140.0 Mobile/15E148 Safari/604.1",
                "Chrome (iPhone)",
            ),
            (&format!("(Linux; Android 15) {webkit} Chrome/140.0 Mobile"), "Chrome (Android)"),
            ("(Fuchsia) Firefox/200.0", "Firefox"),
            ("(X11; Linux x86_64) NewEngine/1.0", "Linux"),
        ] {
            assert_eq!(name(&format!("Mozilla/5.0 {text}")).as_deref(), Some(expected));
        }
        assert_eq!(name("Mozilla/5.0 (compatible)"), None);
    }

    #[test]
    fn programs_are_called_what_they_call_themselves_first() {
        assert_eq!(name("curl/8.11.0").as_deref(), Some("curl/8.11.0"));
        assert_eq!(name("box-office/1.2 (linux; rust)").as_deref(), Some("box-office/1.2"));
        for nothing in ["", " ", "(x)", "é"] {
            assert_eq!(name(nothing), None, "{nothing:?}");
        }
    }

    proptest! {
        #[test]
        fn no_name_is_long_or_has_anything_that_is_not_seen(text in "(Mozilla/)?\\PC*.{0,200}") {
            if let Some(name) = name(&text) {
                prop_assert!((1..=MAX_CHARS).contains(&name.len()));
                prop_assert!(name.chars().all(|c| c.is_ascii_graphic() || c == ' '));
            }
        }
    }
}
