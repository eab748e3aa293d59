//! Fills in the document that every page is made from.
//!
//! What stands in a page as text is escaped here, whatever it is: titles are written by users.

use std::fmt::Write as _;

use serde_json::Value;

use super::site::{SHELL, SITE};
use super::texts::Language;

/// A page as the server draws it: what people see until the scripts take over, and what those see
/// who never run them, such as search engines and previews of links.
#[derive(Debug)]
pub struct Page {
    /// In which language.
    pub language: Language,
    /// What the browser's tab says.
    pub title: String,
    /// What a preview of a link says.
    pub preview: Preview,
    /// The address, if it is known under which name the server is reached.
    pub url: Option<String>,
    /// Whether search engines may list it.
    pub is_public: bool,
    /// What is for sale there, in schema.org's words.
    pub data: Option<Value>,
    /// The content, as HTML.
    pub main: Html,
}

/// What a preview of a link says.
#[derive(Debug)]
pub struct Preview {
    /// What kind of thing it is, in Open Graph's words.
    pub kind: &'static str,
    /// Its name.
    pub title: String,
    /// A sentence about it.
    pub description: String,
    /// What else there is to say, in Open Graph's words.
    pub properties: Vec<(&'static str, String)>,
}

impl Page {
    /// The whole document.
    pub fn into_html(self) -> String {
        let head = self.head().0;
        let mut html = String::with_capacity(SHELL.len() + head.len() + self.main.0.len());
        let mut rest = SHELL;
        // What is put in is never looked through for more to put in.
        while let Some((before, name, after)) = next_place(rest) {
            html.push_str(before);
            match name {
                "language" => html.push_str(self.language.code()),
                "assets" => html.push_str(&SITE.assets),
                "modules" => html.push_str(&SITE.modules),
                "head" => html.push_str(&head),
                "main" => html.push_str(&self.main.0),
                _ => {
                    let id = name.strip_prefix("text:").unwrap_or(name);
                    html.push_str(&Html::text(&self.language.text(id)).0);
                }
            }
            rest = after;
        }
        html.push_str(rest);
        html
    }

    fn head(&self) -> Html {
        let mut head = Html::default();
        head.element("title", &[], &Html::text(&self.title));
        head.meta("name", "description", &self.preview.description);
        if !self.is_public {
            head.meta("name", "robots", "noindex");
        }
        head.meta("property", "og:site_name", "GitTix");
        head.meta("property", "og:type", self.preview.kind);
        head.meta("property", "og:title", &self.preview.title);
        head.meta("property", "og:description", &self.preview.description);
        head.meta("property", "og:locale", self.language.locale());
        for (property, content) in &self.preview.properties {
            head.meta("property", property, content);
        }
        let is_pictured = self.preview.properties.iter().any(|(name, _)| *name == "og:image");
        let card = if is_pictured { "summary_large_image" } else { "summary" };
        head.meta("name", "twitter:card", card);
        if let Some(url) = &self.url {
            head.meta("property", "og:url", url);
            head.tag("link", &[("rel", "canonical"), ("href", url)]);
        }
        if let Some(data) = &self.data {
            head.data(data);
        }
        head
    }
}

/// Where the next `{{name}}` is: what stands before it, its name, and what follows.
fn next_place(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (name, after) = rest.split_once("}}")?;
    Some((before, name, after))
}

/// A piece of HTML. Text only gets in escaped.
#[derive(Debug, Default)]
pub struct Html(String);

impl Html {
    /// A text.
    pub fn text(text: &str) -> Self {
        let mut escaped = String::with_capacity(text.len());
        for character in text.chars() {
            match character {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&#39;"),
                _ => escaped.push(character),
            }
        }
        Self(escaped)
    }

    /// An element with attributes and content.
    pub fn new(name: &str, attributes: &[(&str, &str)], content: &Self) -> Self {
        let mut html = Self::default();
        html.element(name, attributes, content);
        html
    }

    /// An element with a class and a text.
    pub fn classed(name: &str, class: &str, text: &str) -> Self {
        Self::new(name, &[("class", class)], &Self::text(text))
    }

    /// Appends more.
    #[must_use]
    pub fn and(mut self, more: &Self) -> Self {
        self.0.push_str(&more.0);
        self
    }

    fn element(&mut self, name: &str, attributes: &[(&str, &str)], content: &Self) {
        self.tag(name, attributes);
        let _ = write!(self.0, "{}</{name}>", content.0);
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)]) {
        let _ = write!(self.0, "<{name}");
        for (attribute, value) in attributes {
            let _ = write!(self.0, " {attribute}=\"{}\"", Self::text(value).0);
        }
        self.0.push('>');
    }

    fn meta(&mut self, kind: &str, name: &str, content: &str) {
        self.tag("meta", &[(kind, name), ("content", content)]);
    }

    /// Data for search engines. Browsers do not run it, and nothing in it ends the element early.
    fn data(&mut self, data: &Value) {
        let json = data.to_string().replace('<', "\\u003c").replace('>', "\\u003e");
        let json = json.replace('&', "\\u0026");
        let _ = write!(self.0, "<script type=\"application/ld+json\">{json}</script>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_user_wrote_becomes_markup() {
        let hostile = "\"><script>alert(1)</script><!--{{main}}{{text:skip}} & 'x' </title>";
        let page = Page {
            language: Language::English,
            title: hostile.to_owned(),
            preview: Preview {
                kind: "website",
                title: hostile.to_owned(),
                description: hostile.to_owned(),
                properties: vec![("product:price:amount", hostile.to_owned())],
            },
            url: Some(hostile.to_owned()),
            is_public: true,
            data: Some(serde_json::json!({ "name": hostile })),
            main: Html::classed("p", hostile, hostile),
        };
        let html = page.into_html();
        assert!(!html.contains("<script>alert"), "{html}");
        assert!(!html.contains("<!--") && !html.contains("'x'</"), "{html}");
        assert_eq!(html.matches("</title>").count(), 1);
        assert_eq!(html.matches("</script>").count(), 2, "the data and the storefront's own");
        assert_eq!(html.matches("{{main}}").count(), 10, "it stays the text it was");
    }

    #[test]
    fn data_is_read_by_others_as_it_was_meant() {
        let mut html = Html::default();
        html.data(&serde_json::json!({ "name": "</script> & <b>" }));
        let json = html.0.split_once('>').unwrap().1.strip_suffix("</script>").unwrap();
        let read: Value = serde_json::from_str(json).unwrap();
        assert_eq!(read["name"], "</script> & <b>");
    }
}
