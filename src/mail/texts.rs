//! What messages say, in English and in German.

use crate::domain::{Currency, Notice, Order, OrderId, TicketId, Timestamp, Title};

/// In which language people are written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// German.
    German,
}

impl Language {
    /// The language of that code, `en` or `de`.
    pub fn of_code(code: &str) -> Option<Self> {
        match code {
            "en" => Some(Self::English),
            "de" => Some(Self::German),
            _ => None,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }
}

/// The marketplace that writes.
#[derive(Debug, Clone)]
pub struct Site {
    /// Where its storefront is, without a slash at the end.
    pub origin: String,
    /// In which language it writes.
    pub language: Language,
}

/// What is read of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Its subject.
    pub subject: String,
    /// It without markup.
    pub plain: String,
    /// It as a page.
    pub html: String,
}

/// What a message is about, with what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    notice: Notice,
    bought: Option<Bought>,
    /// What a link of its own ends in.
    token: Option<String>,
    /// What signed in, and when.
    sign_in: Option<(Option<String>, Timestamp)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Bought {
    title: Title,
    /// What the buyer pays, or the seller gets, in minor units.
    minor: u64,
    currency: Currency,
    order: OrderId,
    ticket: TicketId,
}

impl Contents {
    /// Something about an account.
    pub fn of_account(notice: Notice) -> Self {
        Self { notice, bought: None, token: None, sign_in: None }
    }

    /// Something with a link of its own.
    pub fn of_link(notice: Notice, token: String) -> Self {
        Self { token: Some(token), ..Self::of_account(notice) }
    }

    /// That somebody signed in, with what.
    pub fn of_sign_in(client: Option<&str>, at: Timestamp) -> Self {
        let sign_in = Some((client.map(str::to_owned), at));
        Self { sign_in, ..Self::of_account(Notice::NewDevice) }
    }

    /// Something about an order.
    pub fn of_order(notice: Notice, order: &Order) -> Self {
        let minor = match notice {
            Notice::TicketSold => order.fees().proceeds_minor(order.price, order.quantity()),
            _ => order.total().minor(),
        };
        let bought = Bought {
            title: order.title.clone(),
            minor,
            currency: order.price.currency(),
            order: order.id,
            ticket: order.ticket,
        };
        Self { bought: Some(bought), ..Self::of_account(notice) }
    }
}

/// What a message says, before it is plain text or a page.
struct Draft {
    subject: String,
    paragraphs: Vec<String>,
    /// Where to look, and what that is called.
    link: (&'static str, String),
}

/// What is read of a message.
pub fn compose(contents: &Contents, site: &Site) -> Text {
    let draft = draft(contents, site);
    let (label, url) = &draft.link;
    let plain = format!("{}\n\n{label}: {url}\n", draft.paragraphs.join("\n\n"));
    let html = page(&draft, site.language);
    Text { subject: draft.subject, plain, html }
}

fn draft(contents: &Contents, site: &Site) -> Draft {
    let is_german = site.language == Language::German;
    let say = |english: &str, german: &str| (if is_german { german } else { english }).to_owned();
    let fill = |text: String| filled(&text, contents, site.language);
    let (subject, first, second) = match contents.notice {
        Notice::PasswordChanged => (
            say("Your password was changed", "Ihr Passwort wurde geändert"),
            say(
                "The password of your account was changed, and all other devices were signed out.",
                "Das Passwort Ihres Kontos wurde geändert, und alle anderen Geräte wurden abgemeldet.",
            ),
            not_you(is_german),
        ),
        Notice::AddressChanged => (
            say("Your e-mail address was changed", "Ihre E-Mail-Adresse wurde geändert"),
            say(
                "From now on you sign in with this address, and messages come here.",
                "Ab jetzt melden Sie sich mit dieser Adresse an, und Nachrichten kommen hierher.",
            ),
            not_you(is_german),
        ),
        Notice::AddressLeft => (
            say("Your e-mail address was changed", "Ihre E-Mail-Adresse wurde geändert"),
            say(
                "Your account has another e-mail address now. This is the last message to this one.",
                "Ihr Konto hat jetzt eine andere E-Mail-Adresse. Dies ist die letzte Nachricht an diese.",
            ),
            not_you(is_german),
        ),
        Notice::VerifyAddress => verify_address(&say),
        Notice::ResetPassword => reset_password(&say),
        Notice::NewDevice => new_device(&say),
        Notice::OrderPaid => (
            say("Paid: {title}", "Bezahlt: {title}"),
            say(
                "You have paid {price} for “{title}”. The ticket is yours.",
                "Sie haben {price} für „{title}“ bezahlt. Das Ticket gehört Ihnen.",
            ),
            say(
                "Keep this message as your receipt.",
                "Bewahren Sie diese Nachricht als Beleg auf.",
            ),
        ),
        Notice::TicketSold => (
            say("Sold: {title}", "Verkauft: {title}"),
            say(
                "Your ticket “{title}” was sold, and the buyer has paid. Your share: {price}.",
                "Ihr Ticket „{title}“ wurde verkauft, und der Käufer hat bezahlt. Ihr Anteil: {price}.",
            ),
            say("All about it is on its page.", "Alles dazu steht auf seiner Seite."),
        ),
        Notice::RefundMade => (
            say("Refunded: {title}", "Erstattet: {title}"),
            say(
                "You have been refunded {price} for “{title}”.",
                "Ihnen wurden {price} für „{title}“ erstattet.",
            ),
            say(
                "Your bank shows it within a few days.",
                "Ihre Bank zeigt die Erstattung innerhalb weniger Tage.",
            ),
        ),
        Notice::RefundFailed => (
            say("Your refund is delayed: {title}", "Ihre Erstattung verzögert sich: {title}"),
            say(
                "Your bank has not taken the refund of {price} for “{title}”.",
                "Ihre Bank hat die Erstattung von {price} für „{title}“ nicht angenommen.",
            ),
            say(
                "The money is still owed to you, and we are seeing to it. You need not do anything.",
                "Das Geld steht Ihnen weiterhin zu, und wir kümmern uns darum. Sie müssen nichts tun.",
            ),
        ),
    };
    let link = link(contents, site, is_german);
    Draft { subject: fill(subject), paragraphs: vec![fill(first), second], link }
}

/// Says something in the language of the site, of which both are given.
type Say<'s> = &'s dyn Fn(&str, &str) -> String;
/// Subject, first and second paragraph.
type Words = (String, String, String);

/// A text with what it names in place of its gaps.
fn filled(text: &str, contents: &Contents, language: Language) -> String {
    let (title, price) = match &contents.bought {
        Some(bought) => (bought.title.as_str(), amount(bought.minor, bought.currency, language)),
        None => ("", String::new()),
    };
    let (client, at) = match &contents.sign_in {
        Some((client, at)) => {
            let program = if language == Language::German { "Ein Programm" } else { "A program" };
            (client.as_deref().unwrap_or(program), at.to_string())
        }
        None => ("", String::new()),
    };
    let text = text.replace("{price}", &price).replace("{at}", &at);
    text.replace("{client}", client).replace("{title}", title)
}

fn verify_address(say: Say<'_>) -> Words {
    (
        say("Confirm your e-mail address", "Bestätigen Sie Ihre E-Mail-Adresse"),
        say(
            "Open the link to show that this address is yours. It is good for a day.",
            "Öffnen Sie den Link, um zu zeigen, dass diese Adresse Ihnen gehört. Er gilt einen Tag.",
        ),
        say(
            "If you have no account with us, you need not do anything.",
            "Wenn Sie kein Konto bei uns haben, müssen Sie nichts tun.",
        ),
    )
}

fn reset_password(say: Say<'_>) -> Words {
    (
        say("Choose a new password", "Wählen Sie ein neues Passwort"),
        say(
            "Open the link to choose a new password. It is good for one hour, and once. All devices will \
             be signed out.",
            "Öffnen Sie den Link, um ein neues Passwort zu wählen. Er gilt eine Stunde und ein Mal. Alle \
             Geräte werden abgemeldet.",
        ),
        say(
            "If you did not ask for this, you need not do anything: your password stays as it is.",
            "Wenn Sie nicht darum gebeten haben, müssen Sie nichts tun: Ihr Passwort bleibt, wie es ist.",
        ),
    )
}

fn new_device(say: Say<'_>) -> Words {
    (
        say("A new sign-in to your account", "Neue Anmeldung bei Ihrem Konto"),
        say(
            "{client} signed in to your account at {at}, where nobody had signed in to it before.",
            "{client} hat sich um {at} bei Ihrem Konto angemeldet, wo das vorher niemand getan hatte.",
        ),
        say(
            "If this was not you, change your password at once: that signs out all other devices.",
            "Wenn Sie das nicht waren, ändern Sie gleich Ihr Passwort: Das meldet alle anderen Geräte ab.",
        ),
    )
}

fn not_you(is_german: bool) -> String {
    let said = if is_german {
        "Wenn Sie das nicht waren, wenden Sie sich bitte gleich an uns."
    } else {
        "If this was not you, please write to us at once."
    };
    said.to_owned()
}

fn link(contents: &Contents, site: &Site, is_german: bool) -> (&'static str, String) {
    let (origin, token) = (&site.origin, contents.token.as_deref().unwrap_or_default());
    let (labels, url) = match (&contents.bought, contents.notice) {
        (Some(bought), Notice::TicketSold) => {
            (("Your ticket", "Ihr Ticket"), format!("{origin}/tickets/{}", bought.ticket))
        }
        (Some(bought), _) => {
            (("Your order", "Ihre Bestellung"), format!("{origin}/orders/{}", bought.order))
        }
        (None, Notice::VerifyAddress) => (
            ("Confirm the address", "Adresse bestätigen"),
            format!("{origin}/verify#token={token}"),
        ),
        (None, Notice::ResetPassword) => (
            ("Choose a new password", "Neues Passwort wählen"),
            format!("{origin}/reset#token={token}"),
        ),
        (None, _) => (("Your account", "Ihr Konto"), format!("{origin}/account")),
    };
    (if is_german { labels.1 } else { labels.0 }, url)
}

/// An amount as that language writes it, with all decimals and the currency's code.
fn amount(minor: u64, currency: Currency, language: Language) -> String {
    let (major, rest) = (minor / currency.minor_per_major(), minor % currency.minor_per_major());
    let code = currency.as_str().to_uppercase();
    let point = if language == Language::German { ',' } else { '.' };
    match currency.decimals() as usize {
        0 => format!("{major} {code}"),
        width => format!("{major}{point}{rest:0width$} {code}"),
    }
}

fn page(draft: &Draft, language: Language) -> String {
    let paragraph = |text: &String| format!("<p>{}</p>\n", escaped(text));
    let paragraphs: String = draft.paragraphs.iter().map(paragraph).collect();
    let (label, url) = &draft.link;
    format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head><meta charset=\"utf-8\"><title>{}</title></head>\n\
         <body style=\"font-family:sans-serif;line-height:1.5;max-width:36em;margin:2em auto;padding:0 1em\">\n\
         {paragraphs}<p><a href=\"{}\">{}</a></p>\n</body>\n</html>\n",
        language.code(),
        escaped(&draft.subject),
        escaped(url),
        escaped(label),
    )
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Price, Ticket, Timestamp, UserId};

    fn site(language: Language) -> Site {
        Site { origin: "https://tickets.example".to_owned(), language }
    }

    fn order(title: &str, minor: u64, currency: &str) -> Order {
        let price = Price::from_minor(minor, currency.parse().expect("one")).expect("a price");
        let title = Title::parse(title).expect("a title");
        let now = Timestamp::default();
        let (ticket, seller) = (TicketId::from_u128(1), UserId::from_u128(2));
        let ticket = Ticket::list(ticket, seller, title, price, now);
        Order::new(OrderId::from_u128(3), UserId::from_u128(4), &ticket, now, now)
    }

    fn written(notice: Notice, order: &Order, language: Language) -> Text {
        let contents = match notice {
            Notice::PasswordChanged | Notice::AddressChanged | Notice::AddressLeft => {
                Contents::of_account(notice)
            }
            Notice::VerifyAddress | Notice::ResetPassword => {
                Contents::of_link(notice, "t0ken".to_owned())
            }
            Notice::NewDevice => {
                Contents::of_sign_in(Some("Firefox (Linux)"), Timestamp::default())
            }
            _ => Contents::of_order(notice, order),
        };
        compose(&contents, &site(language))
    }

    #[test]
    fn every_message_is_whole_in_both_languages() {
        let order = order("Rock Concert", 4_000, "usd");
        for notice in Notice::ALL {
            let [english, german] = [Language::English, Language::German]
                .map(|language| written(*notice, &order, language));
            assert_ne!(english.subject, german.subject);
            for text in [english, german] {
                let all = format!("{}{}{}", text.subject, text.plain, text.html);
                assert!(!all.contains(['{', '}']) && !text.subject.is_empty(), "{all}");
                assert!(text.plain.contains("https://tickets.example/"), "{all}");
                let paragraphs = text.html.matches("<p>").count();
                assert_eq!((paragraphs, text.html.contains("<a href=\"https://")), (3, true));
            }
        }
    }

    #[test]
    fn a_link_of_its_own_is_where_the_storefront_looks_for_it() {
        let order = order("Rock Concert", 4_000, "usd");
        for (notice, url) in [
            (Notice::VerifyAddress, "https://tickets.example/verify#token=t0ken"),
            (Notice::ResetPassword, "https://tickets.example/reset#token=t0ken"),
        ] {
            let text = written(notice, &order, Language::German);
            assert!(text.plain.contains(url) && text.html.contains(url), "{}", text.plain);
        }
        let text = written(Notice::NewDevice, &order, Language::English);
        assert!(text.plain.contains("Firefox (Linux) signed in to your account at 1970-"));
    }

    #[test]
    fn amounts_are_written_as_each_language_does() {
        let of = |minor, currency: &str, language| {
            amount(minor, currency.parse().expect("a currency"), language)
        };
        assert_eq!(of(1_250, "usd", Language::English), "12.50 USD");
        assert_eq!(of(1_205, "eur", Language::German), "12,05 EUR");
        assert_eq!(of(500, "jpy", Language::German), "500 JPY");
    }

    #[test]
    fn a_title_is_text_and_never_markup_or_a_gap_to_fill() {
        let order = order("<b>&\"{price}\"</b>", 4_000, "usd");
        let text = written(Notice::OrderPaid, &order, Language::English);
        assert!(text.html.contains("&lt;b&gt;&amp;&quot;{price}&quot;&lt;/b&gt;"), "{}", text.html);
        assert!(!text.html.contains("<b>"));
        assert_eq!(text.subject, "Paid: <b>&\"{price}\"</b>");
    }
}
