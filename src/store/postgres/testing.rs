//! Empty databases for tests, in the PostgreSQL that `scripts/test-nodes` starts.

use std::sync::atomic::{AtomicU64, Ordering};

use super::connect::Address;
use super::{PostgresError, PostgresRows, PostgresSettings};
use crate::store::typed::keys::{OPEN, UNSETTLED};

/// The URL of a database in which tests may do what they like.
const VARIABLE: &str = "GITTIX_TEST_POSTGRES";

/// Names no two of which are equal.
static NAMES: AtomicU64 = AtomicU64::new(1);

/// A schema of its own in the tests' database.
pub struct Database {
    /// Its settings; each call of [`Database::open`] is another server's.
    pub settings: PostgresSettings,
    /// What its connections are called.
    pub name: String,
}

/// An empty database; `None` if there is no PostgreSQL.
pub async fn new_database() -> Option<Database> {
    let base = std::env::var(VARIABLE).ok()?;
    let name = NAMES.fetch_add(1, Ordering::Relaxed);
    let schema = format!("test_{}_{name}", std::process::id());
    let client = Address::parse(&base).expect("a URL").connect().await.expect("a database");
    client.batch_execute(&format!("create schema {schema}")).await.expect("a schema");
    let settings = PostgresSettings {
        url: format!("{base}?options=-c%20search_path%3D{schema}&application_name={schema}"),
        node: 0,
        currency: "USD".to_owned(),
        queue: 1024,
        lanes: 2,
        readers: 4,
        counted: vec![OPEN, UNSETTLED],
    };
    Some(Database { settings, name: schema })
}

/// The same, where a test is run only with PostgreSQL.
pub async fn a_database() -> Database {
    new_database().await.expect("scripts/test-nodes names a PostgreSQL")
}

impl Database {
    /// The store as another server opens it.
    pub async fn open(&self) -> PostgresRows {
        self.open_with(|_| {}).await.expect("a store")
    }

    /// The same with other settings.
    pub async fn open_with(
        &self,
        change: impl FnOnce(&mut PostgresSettings),
    ) -> Result<PostgresRows, PostgresError> {
        let node = u128::from(NAMES.fetch_add(1, Ordering::Relaxed));
        let mut settings = PostgresSettings { node, ..self.settings.clone() };
        change(&mut settings);
        PostgresRows::open(settings).await
    }

    /// Runs SQL in it.
    pub async fn run(&self, sql: &str) {
        let client = Address::parse(&self.settings.url).expect("a URL").connect().await;
        client.expect("a database").batch_execute(sql).await.expect("good SQL");
    }
}
