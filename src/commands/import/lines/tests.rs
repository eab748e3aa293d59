use super::*;

const HEADER: &str =
    "externalId,name,category,performers,startsAt,endsAt,venueName,city,country,timeZone\n";

fn all(text: &[u8], format: Format) -> Vec<(u64, Result<ImportLine, String>)> {
    let mut lines = Lines::new(text, format).expect("a file");
    let mut found = Vec::new();
    while let Some(Numbered { line, said }) = lines.next().expect("a line") {
        found.push((line, said));
    }
    found
}

fn csv(rows: &str) -> Vec<(u64, Result<ImportLine, String>)> {
    all(format!("{HEADER}{rows}").as_bytes(), Format::Csv)
}

fn refused(found: &[(u64, Result<ImportLine, String>)]) -> Vec<(u64, &str)> {
    let refused =
        found.iter().filter_map(|(line, said)| Some((*line, said.as_ref().err()?.as_str())));
    refused.collect()
}

#[test]
fn cells_are_found_by_the_header_and_rows_keep_their_line_numbers() {
    let found = csv(
        "a1,\"Rigoletto, by Verdi\",theatre,Ana; Ben,2030-01-01T20:00:00Z,,Arena,Berlin,DE,Europe/Berlin\r\n\
                     \n\
                     a2,\"two\nlines\",concert,,2030-01-01T20:00:00Z,,Arena,Berlin,DE,Europe/Berlin\n\
                     a3,Third,concert,,2030-01-01T20:00:00Z,,Arena,Berlin,DE,Europe/Berlin",
    );
    let numbers: Vec<u64> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(numbers, [2, 4, 6]);
    let first = found[0].1.as_ref().expect("a line");
    assert_eq!(first.name.as_deref(), Some("Rigoletto, by Verdi"));
    assert_eq!(first.performers, ["Ana", "Ben"]);
    assert_eq!(first.venue.time_zone.as_deref(), Some("Europe/Berlin"));
    assert_eq!(found[2].1.as_ref().expect("a line").external_id.as_deref(), Some("a3"));
}

#[test]
fn a_header_may_be_spelled_otherwise_and_have_columns_that_nobody_knows() {
    let text = "\u{feff}external_id,Name,CATEGORY,starts at,colour\nx,Y,concert,z,blue\n";
    let found = all(text.as_bytes(), Format::Csv);
    assert_eq!(found[0].1.as_ref().expect("a line").name.as_deref(), Some("Y"));
    for (header, why) in [
        ("name,category,startsAt\n", "no column externalId"),
        ("externalId,name,name,category,startsAt\n", "name twice"),
        ("", "empty"),
    ] {
        let Err(error) = Lines::new(header.as_bytes(), Format::Csv) else { panic!("{header}") };
        assert!(error.to_string().contains(why), "{header}: {error}");
    }
}

#[test]
fn a_formula_is_the_text_that_it_is() {
    let found = csv("=1+1,\"=HYPERLINK(\"\"x\"\")\",other,@a;+b,-1,,,,,\n");
    let line = found[0].1.as_ref().expect("a line");
    assert_eq!(line.external_id.as_deref(), Some("=1+1"));
    assert_eq!(line.name.as_deref(), Some("=HYPERLINK(\"x\")"));
    assert_eq!(line.performers, ["@a", "+b"]);
}

#[test]
fn a_line_out_of_all_bounds_is_refused_and_the_next_is_read() {
    let good = "a,N,concert,,2030-01-01T20:00:00Z,,Arena,Berlin,DE,Europe/Berlin\n";
    let cells = format!("{}\n{good}", ",".repeat(1_000_000));
    let found = csv(&cells);
    assert_eq!(refused(&found), [(2, "the line has more than 256 cells")]);
    assert!(found[1].0 == 3 && found[1].1.is_ok());

    let long = format!("a,{},concert\n{good}", "x".repeat(5_000_000));
    assert_eq!(refused(&csv(&long)), [(2, TOO_LONG)]);
    assert!(csv(&long)[1].1.is_ok());

    let open = format!("a,\"{}", "x".repeat(2_000_000));
    assert_eq!(refused(&csv(&open)), [(2, TOO_LONG)]);
    assert_eq!(refused(&csv("a,b\n")), [(2, "2 cells where the header has 10 columns")]);

    let json = format!("{{\"name\":\"{}\"}}\n\n{{\"name\":\"N\"}}", "x".repeat(5_000_000));
    let found = all(json.as_bytes(), Format::Json);
    assert_eq!(refused(&found), [(1, TOO_LONG)]);
    assert!(found[1].0 == 3 && found[1].1.is_ok());
}

#[test]
fn what_is_not_utf_8_or_no_object_is_refused() {
    let row = [HEADER.as_bytes(), b"a,\xff\xfe,concert,,,,,,,\n"].concat();
    assert_eq!(refused(&all(&row, Format::Csv)), [(2, NOT_UTF8)]);
    let text =
        b"{\"name\":\"\xff\"}\n[1]\n{\"name\":5}\n{\"name\":\"a\",\"name\":\"b\"}\n{\n\"x\"\n";
    let found = all(text, Format::Json);
    let refused = refused(&found);
    assert_eq!(refused.len(), 6);
    assert_eq!(refused[0], (1, NOT_UTF8));
    assert_eq!(refused[1], (2, "the line is not a JSON object"));
    assert!(refused[2].1.contains("invalid type: integer `5`"), "{refused:?}");
    assert!(refused[3].1.contains("duplicate field"), "{refused:?}");
    let deep = format!("{{\"@type\":\"Event\",\"name\":{}", "[".repeat(500_000));
    assert!(all(deep.as_bytes(), Format::Json)[0].1.is_err());
}

#[test]
fn events_of_schema_org_are_shows_at_venues() {
    let text = r#"{"@context":"https://schema.org","@type":"SportsEvent","identifier":{"@type":"PropertyValue","value":"m-1"},"name":"Cup final","startDate":"2030-05-01T18:00:00+02:00","eventStatus":"https://schema.org/EventScheduled","homeTeam":{"@type":"SportsTeam","name":"Reds"},"awayTeam":"Blues","performer":["Reds"],"location":[{"@type":"Place","@id":"v-1","name":"Stadium","address":{"@type":"PostalAddress","streetAddress":"Weg 1","postalCode":"10115","addressLocality":"Berlin","addressRegion":"BE","addressCountry":{"@type":"Country","name":"DE"}}}]}"#;
    let found = all(text.as_bytes(), Format::Json);
    let line = found[0].1.as_ref().expect("a line");
    assert_eq!(line.external_id.as_deref(), Some("m-1"));
    assert_eq!(line.category.as_deref(), Some("sports"));
    assert_eq!(line.performers, ["Reds", "Blues"]);
    let venue = &line.venue;
    assert_eq!(
        (venue.external_id.as_deref(), venue.name.as_deref()),
        (Some("v-1"), Some("Stadium"))
    );
    assert_eq!((venue.city.as_deref(), venue.region.as_deref()), (Some("Berlin"), Some("BE")));
    assert_eq!(
        (venue.country.as_deref(), venue.address.as_deref()),
        (Some("DE"), Some("Weg 1, 10115"))
    );
    for (change, why) in [
        (("SportsEvent", "Person"), "@type is no kind of event"),
        (("EventScheduled", "EventCancelled"), "eventStatus is EventCancelled"),
    ] {
        let found = all(text.replace(change.0, change.1).as_bytes(), Format::Json);
        assert!(refused(&found)[0].1.contains(why), "{found:?}");
    }
    for (kind, category) in
        [("MusicEvent", "concert"), ("Event", "other"), ("http://schema.org/Festival", "festival")]
    {
        let found = all(text.replace("SportsEvent", kind).as_bytes(), Format::Json);
        assert_eq!(found[0].1.as_ref().expect("a line").category.as_deref(), Some(category));
    }
}
