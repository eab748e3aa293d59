use std::io::Write;

use proptest::prelude::*;
use secrecy::ExposeSecret;
use tempfile::NamedTempFile;

use super::*;

/// The annotated file at the root of the repository.
const DOCUMENTED: &str = include_str!("../../config.toml");

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn load(toml: &str, environment: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    load_with_flags(toml, environment, Overrides::none())
}

fn load_with_flags(
    toml: &str,
    environment: &[(&str, &str)],
    flags: Overrides,
) -> Result<Settings, SettingsError> {
    let file = file(toml);
    let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    Settings::load(Some(file.path()), environment, flags)
}

fn complaint(toml: &str, environment: &[(&str, &str)]) -> String {
    load(toml, environment).unwrap_err().to_string()
}

#[test]
fn an_empty_file_gives_the_defaults() {
    let settings = load("", &[]).unwrap();
    assert_eq!(settings.http.listen, "127.0.0.1:3000".parse().unwrap());
    assert_eq!(settings.http.public_url.as_str(), "http://127.0.0.1:3000");
    assert_eq!(settings.orders.hold, Duration::from_secs(900));
    assert_eq!(settings.auth.session, Duration::from_secs(7 * 24 * 3600));
    assert_eq!((settings.auth.idle, settings.limits.sessions), (None, 50));
    assert!(settings.auth.throttle);
    assert_eq!(settings.store.cache_bytes, None);
    assert!(matches!(settings.payments.provider, Provider::Sandbox));
}

/// The documented file with the comment sign taken off every line that holds a key.
fn documented_with_every_key() -> String {
    let is_key = |line: &&str| {
        let name = line.split(" = ").next().unwrap_or_default();
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let bare = |line: &'static str| match line.strip_prefix("# ").filter(is_key) {
        Some(key) if key.contains(" = ") => key,
        _ => line,
    };
    DOCUMENTED.lines().map(bare).collect::<Vec<_>>().join("\n")
}

fn flatten(prefix: &str, table: &toml::Table, into: &mut Vec<String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) => flatten(&key, inner, into),
            _ => into.push(key),
        }
    }
}

#[test]
fn the_documented_file_has_exactly_the_keys_there_are() {
    let mut documented = Vec::new();
    flatten("", &documented_with_every_key().parse().unwrap(), &mut documented);
    let mut known: Vec<String> = Settings::keys().into_iter().map(str::to_owned).collect();
    documented.sort();
    known.sort();
    assert_eq!(documented, known);
}

#[test]
fn the_documented_file_shows_the_defaults() {
    let shown = load(&documented_with_every_key(), &[]).unwrap();
    assert_eq!(format!("{shown:#?}"), format!("{:#?}", load("", &[]).unwrap()));

    let stripe = [
        ("GITTIX_PAYMENTS__PROVIDER", "stripe"),
        ("GITTIX_PAYMENTS__STRIPE__SECRET_KEY", "sk_test_1"),
    ];
    let shown = load(&documented_with_every_key(), &stripe).unwrap();
    assert_eq!(format!("{shown:#?}"), format!("{:#?}", load("", &stripe).unwrap()));
}

#[test]
fn the_documented_file_as_it_is_changes_nothing() {
    let shown = load(DOCUMENTED, &[]).unwrap();
    assert_eq!(format!("{shown:#?}"), format!("{:#?}", load("", &[]).unwrap()));
}

#[test]
fn the_environment_wins_over_the_file_and_a_flag_over_both() {
    let toml =
        "[http]\nlisten = \"127.0.0.1:1\"\n[orders]\nhold_seconds = 1\nmax_open_per_user = 1";
    let environment =
        [("GITTIX_HTTP__LISTEN", "127.0.0.1:2"), ("GITTIX_ORDERS__HOLD_SECONDS", "2")];
    let flags = Overrides::none().set("http.listen", "127.0.0.1:4", "--listen");
    let settings = load_with_flags(toml, &environment, flags).unwrap();
    assert_eq!(settings.http.listen.port(), 4);
    assert_eq!(settings.orders.hold, Duration::from_secs(2));
    assert_eq!(settings.orders.max_open_per_user, 1);
}

#[test]
fn one_address_may_hold_a_quarter_unless_the_settings_say_otherwise() {
    let limits = |environment: &[(&str, &str)]| {
        let http = load("", environment).unwrap().http;
        (http.max_connections_per_address, http.max_event_streams_per_address)
    };
    assert_eq!(limits(&[]), (Some(2500), Some(1250)));
    let fewer = ("GITTIX_HTTP__MAX_CONNECTIONS", "100");
    assert_eq!(limits(&[fewer]), (Some(25), Some(1250)));
    assert_eq!(limits(&[("GITTIX_HTTP__MAX_CONNECTIONS", "1")]).0, Some(1));
    assert_eq!(limits(&[("GITTIX_HTTP__MAX_CONNECTIONS_PER_ADDRESS", "0")]).0, None);
    let proxy = ("GITTIX_HTTP__CLIENT_ADDRESS_HEADER", "x-forwarded-for");
    assert_eq!(limits(&[proxy]), (None, Some(1250)), "all come from the proxy");
    let own = ("GITTIX_HTTP__MAX_CONNECTIONS_PER_ADDRESS", "7");
    assert_eq!(limits(&[proxy, own]).0, Some(7));
    for key in
        ["MAX_CONNECTIONS_PER_ADDRESS", "MAX_EVENT_STREAMS_PER_ADDRESS", "EVENT_REPLAY_PER_SECOND"]
    {
        for given in ["-1", "many", "", "1000001"] {
            let complaint = complaint("", &[(&format!("GITTIX_HTTP__{key}"), given)]);
            assert!(complaint.contains("0 for no limit"), "{complaint}");
        }
    }
}

#[test]
fn with_fewer_connections_their_shares_shrink() {
    let mut http = load("", &[]).unwrap().http;
    http.lower_max_connections(20_000);
    assert_eq!(http.max_connections, 10_000, "it is only lowered");
    http.lower_max_connections(1000);
    let shares = (http.max_connections_per_address, http.max_event_streams_per_address);
    assert_eq!(
        (http.max_connections, http.max_event_streams, shares),
        (1000, 500, (Some(250), Some(125)))
    );
    http.lower_max_connections(1);
    assert_eq!(http.max_connections_per_address, Some(1));
}

#[test]
fn admin_hosts_are_names_in_a_list_or_a_text() {
    let hosts =
        |given| load("", &[("GITTIX_HTTP__ADMIN_HOSTS", given)]).map(|s| s.http.admin_hosts);
    assert_eq!(hosts("").unwrap(), Vec::<String>::new());
    assert_eq!(hosts("Gittix, gittix.monitoring").unwrap(), ["gittix", "gittix.monitoring"]);
    let listed = load("[http]\nadmin_hosts = [\"gittix\"]", &[]).unwrap();
    assert_eq!(listed.http.admin_hosts, ["gittix"]);
    for refused in ["gittix:3001", "http://gittix", "*", "a b", "a,", "[::1]"] {
        assert!(hosts(refused).is_err(), "{refused}");
    }
}

#[test]
fn the_cache_is_so_many_bytes_or_what_the_machine_has() {
    let cache = |given| load("", &[("GITTIX_STORE__CACHE_BYTES", given)]);
    assert_eq!(cache("1048576").unwrap().store.cache_bytes, Some(1 << 20));
    assert_eq!(cache("auto").unwrap().store.cache_bytes, None);
    for refused in ["1048575", "4 GB", "Auto", ""] {
        let complaint = cache(refused).unwrap_err().to_string();
        assert!(complaint.contains("from 1048576 to 1099511627776, or \"auto\""), "{complaint}");
    }
}

#[test]
fn other_variables_are_left_alone() {
    let others =
        [("PATH", "/bin"), ("GITTIX_PORT", "tcp://10.0.0.1:3000"), ("GITTIX_SERVICE_HOST", "h")];
    load("", &others).unwrap();
    load("", &[("GITTIX_PORT", "3000")]).unwrap_err();
}

#[test]
fn a_file_that_was_asked_for_must_exist() {
    let missing = Path::new("/nowhere/gittix.toml");
    let error = Settings::load(Some(missing), std::iter::empty(), Overrides::none()).unwrap_err();
    assert!(error.to_string().contains("/nowhere/gittix.toml: cannot be read"), "{error}");
}

#[test]
fn an_unknown_key_is_named_with_its_source_and_the_keys_there_are() {
    let from_file = complaint("[http]\nlisten_on = 1", &[]);
    assert!(from_file.contains("http.listen_on: unknown key in /"), "{from_file}");
    assert!(from_file.contains("the keys of this section are http.listen,"), "{from_file}");

    let from_environment = complaint("", &[("GITTIX_HTTP_LISTEN", "x")]);
    assert!(
        from_environment.contains("from the environment variable GITTIX_HTTP_LISTEN"),
        "{from_environment}"
    );
    for toml in
        ["htp = 1", "[htp]", "[[http]]", "http = 1", "[http.listen]", "[http.listen.x]\ny=1"]
    {
        assert!(complaint(toml, &[]).contains("unknown key"), "{toml}");
    }
    for name in ["GITTIX_", "GITTIX_http__listen", "GITTIX_HTTP.LISTEN", "GITTIX_HTTP"] {
        assert!(complaint("", &[(name, "x")]).contains(name), "{name}");
    }
}

#[test]
fn bad_values_are_refused_and_the_key_is_named() {
    for (toml, key) in [
        ("[http]\nlisten = \"localhost\"", "http.listen"),
        ("[http]\nlisten = 3000", "http.listen"),
        ("[http]\npublic_url = \"ftp://x\"", "http.public_url"),
        ("[http]\npublic_url = \"example.com\"", "http.public_url"),
        ("[http]\nbody_limit_bytes = -1", "http.body_limit_bytes"),
        ("[http]\nbody_limit_bytes = \"65536\"", "http.body_limit_bytes"),
        ("[http]\nmax_connections = 0", "http.max_connections"),
        ("[http]\nclient_address_header = \"a b\"", "http.client_address_header"),
        ("[http]\nadmin_listen = \"127.0.0.1:3000\"", "http.admin_listen"),
        ("[store]\npath = \"\"", "store.path"),
        ("[store]\nurl = \"mysql://host/db\"", "store.url"),
        ("[store]\nurl = \"postgres://host/db\"\npath = \"data/x\"", "store.url"),
        ("[store]\nconnections = 0", "store.connections"),
        ("[store]\nqueue = 1.5", "store.queue"),
        ("[auth]\nthrottle = 1", "auth.throttle"),
        ("[auth]\nthrottle_account_per_minute = 0", "auth.throttle_account_per_minute"),
        ("[auth]\nsession_hours = 0", "auth.session_hours"),
        ("[auth]\nidle_hours = -1", "auth.idle_hours"),
        ("[limits]\nsessions = 0", "limits.sessions"),
        ("[operators]\nsession_hours = 0", "operators.session_hours"),
        ("[auth]\nhash_threads = 0", "auth.hash_threads"),
        ("[orders]\nhold_seconds = 0", "orders.hold_seconds"),
        ("[orders]\nmax_open_per_user = 0", "orders.max_open_per_user"),
        ("[orders]\nrelock_free = -1", "orders.relock_free"),
        ("[actors]\nmax_live = 0", "actors.max_live"),
        ("[payments]\nprovider = \"paypal\"", "payments.provider"),
        ("[payments]\nprovider = \"stripe\"", "payments.stripe.secret_key"),
        ("[payments]\ncurrency = \"dollar\"", "payments.currency"),
        ("[payments]\nanswer_seconds = 30", "payments.answer_seconds"),
        ("[payments.stripe]\napi_base = \"api.stripe.com\"", "payments.stripe.api_base"),
        ("[payments.stripe]\npublishable_key = \"sk_1\"", "payments.stripe.publishable_key"),
        ("[log]\nformat = \"xml\"", "log.format"),
        ("[log]\nfilter = \"=\"", "log.filter"),
    ] {
        let complaint = complaint(toml, &[]);
        assert!(complaint.contains(&format!("\n  {key}: ")), "{toml}: {complaint}");
        assert_eq!(complaint.lines().count(), 2, "{toml}: {complaint}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let error =
        load("nonsense = 1\n[orders]\nhold_seconds = 0", &[("GITTIX_AUTH__THROTTLE", "maybe")])
            .unwrap_err();
    assert_eq!(error.problems.len(), 3, "{error}");
}

#[test]
fn a_syntax_error_names_the_line_and_does_not_quote_it() {
    let complaint = complaint("[payments.stripe]\nsecret_key = \"sk_live_oops", &[]);
    assert!(complaint.contains(":2: not valid TOML"), "{complaint}");
    assert!(!complaint.contains("sk_live_oops"), "{complaint}");
}

#[test]
fn the_throttle_is_switched_in_several_spellings() {
    for (text, is_on) in [("on", true), ("1", true), ("true", true), ("off", false), ("0", false)] {
        let settings = load("", &[("GITTIX_AUTH__THROTTLE", text)]).unwrap();
        assert_eq!(settings.auth.throttle, is_on, "{text}");
    }
}

#[test]
fn secrets_are_read_and_never_shown() {
    let toml =
        "[payments]\nprovider = \"stripe\"\n[payments.stripe]\nsecret_key = \"sk_test_hidden\"";
    let environment = [("GITTIX_PAYMENTS__STRIPE__WEBHOOK_SECRET", "whsec_hidden1, whsec_hidden2")];
    let settings = load(toml, &environment).unwrap();
    let Provider::Stripe(stripe) = &settings.payments.provider else { panic!("not Stripe") };
    assert_eq!(stripe.secret_key.expose_secret(), "sk_test_hidden");
    let secrets: Vec<_> = stripe.webhook_secrets.iter().map(|s| s.expose_secret()).collect();
    assert_eq!(secrets, ["whsec_hidden1", "whsec_hidden2"]);
    assert!(!format!("{settings:?}").contains("hidden"));

    let bad = "[payments.stripe]\nsecret_key = \"sk hidden\"\nwebhook_secret = [\"hidden\", \"\"]";
    assert!(!complaint(bad, &[]).contains("hidden"));
    assert!(!complaint(bad, &[]).contains("sk "));
}

#[test]
fn the_url_of_a_database_is_told_to_nobody() {
    let settings = load("[store]\nurl = \"postgres://ann:hunter2@host/db\"", &[]).unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert_eq!(settings.store.url.unwrap().expose_secret(), "postgres://ann:hunter2@host/db");
    assert!(!complaint("[store]\nurl = \"mysql://ann:hunter2@host/db\"", &[]).contains("hunter2"));
}

#[test]
fn a_folder_for_all_files_goes_together_with_a_database() {
    let environment = [("GITTIX_STORE__URL".to_owned(), "postgres://host/db".to_owned())];
    let flags = Overrides::none().set("store.path", "d/gittix.redb", "--data-dir");
    Settings::load(Some(file("").path()), environment.into_iter(), flags).unwrap();
}

#[test]
fn webhook_secrets_may_be_a_list() {
    let toml = "[payments]\nprovider = \"stripe\"\n[payments.stripe]\nsecret_key = \"sk_test_1\"\n\
                webhook_secret = [\"whsec_a\", \"whsec_b\"]";
    let Provider::Stripe(stripe) = load(toml, &[]).unwrap().payments.provider else { panic!() };
    assert_eq!(stripe.webhook_secrets.len(), 2);
}

#[test]
fn the_currency_is_one_that_the_caller_knows() {
    let load = |code: &str| {
        let environment = [("GITTIX_PAYMENTS__CURRENCY".to_owned(), code.to_owned())];
        Settings::load_with_currencies(
            Some(file("").path()),
            environment.into_iter(),
            Overrides::none(),
            |code| ["usd", "jpy"].contains(&code),
        )
    };
    assert_eq!(load("JPY").unwrap().payments.currency, "jpy");
    load("xxx").unwrap_err();
}

#[test]
fn a_public_url_is_spelled_as_browsers_spell_an_origin() {
    let parsed = |text| PublicUrl::parse(text).map(|url| url.to_string());
    assert_eq!(parsed("https://Tickets.Example.com/").unwrap(), "https://tickets.example.com");
    assert_eq!(parsed("https://example.com:443").unwrap(), "https://example.com");
    assert_eq!(parsed("http://example.com:443").unwrap(), "http://example.com:443");
    assert_eq!(parsed("http://[::1]:8080").unwrap(), "http://[::1]:8080");
    for bad in [
        "",
        "/",
        "http://",
        "//x",
        "http://a/b",
        "http://a?b",
        "http://a#b",
        "http://u@a",
        "http://a:",
        "http://a:99999",
    ] {
        assert_eq!(parsed(bad), None, "{bad}");
    }
}

#[test]
fn a_public_url_that_is_not_given_follows_the_listener() {
    for (listen, url) in [
        ("0.0.0.0:8080", "http://localhost:8080"),
        ("10.1.2.3:80", "http://10.1.2.3"),
        ("[::1]:3000", "http://[::1]:3000"),
    ] {
        let settings = load("", &[("GITTIX_HTTP__LISTEN", listen)]).unwrap();
        assert_eq!(settings.http.public_url.as_str(), url);
    }
}

proptest! {
    #[test]
    fn no_text_in_any_variable_makes_loading_panic(
        key in prop::sample::select(Settings::keys()),
        value in any::<String>(),
    ) {
        let name = format!("GITTIX_{}", key.to_uppercase().replace('.', "__"));
        let _ = load("", &[(&name, &value)]);
    }

    #[test]
    fn no_file_makes_loading_panic(text in any::<String>()) {
        let _ = load(&text, &[]);
    }
}

#[test]
fn a_live_key_does_not_travel_unencrypted() {
    let stripe = |key: &str, base: &str| {
        let toml = format!(
            "[payments]\nprovider = \"stripe\"\n[payments.stripe]\n\
             secret_key = \"{key}\"\napi_base = \"{base}\""
        );
        load(&toml, &[])
    };
    for key in ["sk_live_hidden", "rk_live_hidden"] {
        let refused = stripe(key, "http://localhost:1").expect_err("refused").to_string();
        assert!(refused.contains("payments.stripe.api_base"), "{refused}");
        assert!(!refused.contains("hidden"), "{refused}");
        assert!(stripe(key, "https://api.stripe.com").is_ok());
    }
    for key in ["sk_test_1", "rk_test_1"] {
        assert!(stripe(key, "http://localhost:1").is_ok());
    }
}

#[test]
fn what_is_no_key_of_stripes_is_refused_and_not_taken_for_a_live_one() {
    for (key, values) in [
        ("secret_key", &["foo", "sk_1", "sk_test_", "sk_life_1", "pk_test_1", "whsec_1"][..]),
        ("publishable_key", &["foo", "pk_1", "pk_test_", "sk_test_1"]),
        ("webhook_secret", &["foo", "whsec_", "sk_test_1", "whsec_1, foo"]),
    ] {
        for value in values {
            let refused = complaint(&format!("[payments.stripe]\n{key} = \"{value}\""), &[]);
            assert!(refused.contains(&format!("payments.stripe.{key}: ")), "{value}: {refused}");
        }
    }
}

#[test]
fn the_two_keys_are_of_one_mode() {
    let keys = |secret: &str, publishable: &str| {
        let toml = format!(
            "[payments]\nprovider = \"stripe\"\n[payments.stripe]\n\
             secret_key = \"{secret}\"\npublishable_key = \"{publishable}\""
        );
        load(&toml, &[])
    };
    assert!(keys("sk_test_1", "pk_test_1").is_ok());
    assert!(keys("sk_live_1", "pk_live_1").is_ok());
    assert!(keys("sk_test_1", "pk_live_1").is_err());
    assert!(keys("sk_live_1", "pk_test_1").is_err());
}

#[test]
fn a_mail_server_is_needed_only_where_it_takes_letters_and_its_login_is_never_shown() {
    let settings =
        load("[mail]\nprovider = \"smtp\"\nsmtp_url = \"smtps://a:hunter2@b.example\"", &[]);
    let settings = settings.unwrap();
    let told = format!("{:?}", settings.mail);
    assert!(told.contains("b.example:465 over TLS") && !told.contains("hunter2"), "{told}");
    let complaint_of =
        |url: &str| complaint("[mail]\nprovider = \"smtp\"", &[("GITTIX_MAIL__SMTP_URL", url)]);
    assert!(complaint_of("").contains("mail.smtp_url: missing"));
    let told = complaint_of("smtp://a:hunter2@b.example?tls=none");
    assert!(told.contains("mail.smtp_url: bad value") && !told.contains("hunter2"), "{told}");
    assert!(complaint("[mail]\nprovider = \"pigeon\"", &[]).contains("mail.provider: bad value"));
    assert!(matches!(load("", &[]).unwrap().mail.provider, MailProvider::File));
}

#[test]
fn a_country_has_a_price_cap_of_its_own() {
    let toml = "[market.default]\nprice_cap_percent = 120\n[market.FR]\nprice_cap_percent = 100\n\
                [market.US]\nprice_cap_percent = 0";
    let caps = load(toml, &[]).unwrap().price_caps;
    let of = |code: &str, cap| (code.to_owned(), cap);
    assert_eq!(caps.elsewhere, Some(120));
    assert_eq!(caps.countries, [of("FR", Some(100)), of("US", None)].into());

    let environment = [
        ("GITTIX_MARKET__FR__PRICE_CAP_PERCENT", "105"),
        ("GITTIX_MARKET__DE__PRICE_CAP_PERCENT", "110"),
    ];
    let caps = load(toml, &environment).unwrap().price_caps;
    let all = [of("DE", Some(110)), of("FR", Some(105)), of("US", None)];
    assert_eq!(caps.countries, all.into());
    assert_eq!(load("", &[]).unwrap().price_caps, PriceCapSettings::default());
}

#[test]
fn a_price_cap_that_is_no_percentage_and_a_country_that_is_none_are_refused() {
    let bad = complaint("[market.FR]\nprice_cap_percent = \"all\"", &[]);
    assert!(bad.contains("market.FR.price_cap_percent: bad value"), "{bad}");
    let bad = complaint("[market.FR]\nprice_cap_percent = -1", &[]);
    assert!(bad.contains("from 1 to 1000000, or 0 for no cap"), "{bad}");
    let unknown = complaint("[market.France]\nprice_cap_percent = 100", &[]);
    assert!(unknown.contains("market.France.price_cap_percent: unknown key"), "{unknown}");
    let unknown = complaint("[market.FR]\ncap = 100", &[]);
    assert!(unknown.contains("market.FR.cap: unknown key"), "{unknown}");
}
