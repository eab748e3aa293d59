# Alle Texte des Marktplatzes auf Deutsch. `en.ftl` hat dieselben; ein Test vergleicht sie.

## Um jede Seite

page-title = { $title } – GitTix
page-title-home = GitTix – { $title }
site-description = Tickets kaufen und verkaufen. Was Sie auswählen, gehört beim Bezahlen nur Ihnen.
skip = Zum Inhalt
nav-label = Konto
sign-up = Registrieren
sign-in = Anmelden
sign-out = Abmelden
signed-out = Abgemeldet
nav-orders = Meine Tickets
nav-selling = Meine Angebote
nav-sell = Verkaufen
nav-account = Ihr Konto: { $email }
languages = Sprache
terms-sandbox = Testbetrieb: Zahlungen sind nachgestellt, und kein Geld wird bewegt.
noscript = GitTix braucht zum Kaufen und Verkaufen JavaScript. Derselbe Marktplatz steht Programmen offen:
noscript-link = zur API
loading = Wird geladen …
try-again = Noch einmal versuchen
show-more = Mehr anzeigen
cancel = Abbrechen
save = Speichern
saved = Gespeichert
keep = Behalten
browse = Tickets ansehen
connection-lost = Verbindung unterbrochen. Wir verbinden neu …
connection-back = Die Verbindung ist wieder da. Alles hier ist auf dem neuesten Stand.
unreachable = GitTix ist gerade nicht erreichbar. Prüfen Sie Ihre Verbindung und laden Sie die Seite neu.
unreachable-title = GitTix ist nicht erreichbar
failure-page = Etwas ist schiefgegangen
failure-title = Das hat nicht geklappt
missing-title = Nicht gefunden
missing-page = Diese Seite finden wir nicht
missing-page-text = Vielleicht ist die Adresse vertippt, oder die Seite ist umgezogen.
missing-ticket = Dieses Ticket finden wir nicht
missing-ticket-text = Vielleicht wurde es zurückgezogen, oder es ist nicht für Sie bestimmt.
missing-show = Diese Veranstaltung finden wir nicht
missing-show-text = Vielleicht wurde sie entfernt, oder die Adresse ist vertippt.
missing-order = Diese Bestellung finden wir nicht
missing-order-text = Vielleicht hat sie jemand anderes aufgegeben. Melden Sie sich mit dem Konto an, das bestellt hat.
duration-minutes = { $count ->
    [one] { $count } Minute
   *[other] { $count } Minuten
}
duration-seconds = { $count ->
    [one] { $count } Sekunde
   *[other] { $count } Sekunden
}

## Die Startseite und eine Veranstaltung

home-title = Was läuft
home-lead = Finden Sie eine Veranstaltung, sehen Sie, was Sie wirklich zahlen, und zahlen Sie genau das.
shows = Veranstaltungen
shows-search = Veranstaltung finden
shows-found = { $more ->
    [yes] { $count } oder mehr Veranstaltungen gefunden
   *[no] { $count ->
        [one] { $count } Veranstaltung gefunden
       *[other] { $count } Veranstaltungen gefunden
    }
}
shows-none = Noch ist keine Veranstaltung angekündigt. Wer ein Ticket verkauft, darf eine eintragen.
shows-no-match = Versuchen Sie es mit weniger Wörtern, einer anderen Stadt oder mehr Tagen.
city = Stadt
city-example = Berlin
date-from = Von
date-to = Bis
dates-upside-down = Der letzte Tag liegt vor dem ersten.
category = Art
category-any = Alles
category-concert = Konzert
category-sports = Sport
category-theatre = Theater
category-comedy = Comedy
category-festival = Festival
category-other = Anderes
show = Veranstaltung
show-description = { $title }: { $time }, { $venue } in { $city }. Tickets bei GitTix, zu dem Preis, den Sie wirklich bezahlen.
show-description-postponed = { $title }, { $venue } in { $city }, ist verschoben. Der neue Termin steht noch nicht fest.
show-description-cancelled = { $title } am { $time }, { $venue } in { $city }, ist abgesagt.
show-description-over = { $title }, { $venue } in { $city }, war am { $time }.
show-from = ab { $price }
show-postponed = Verschoben
show-postponed-text = Diese Veranstaltung ist verschoben. Bis zum neuen Termin wird nichts verkauft; Tickets bleiben gültig.
show-cancelled = Abgesagt
show-cancelled-text = Diese Veranstaltung ist abgesagt. Wer ein Ticket gekauft hat, bekommt das ganze Geld zurück.
show-over = Vorbei
show-over-text = Diese Veranstaltung ist vorbei.
show-no-date = Der neue Termin steht noch nicht fest
when-there = in { $city }
when-here = Bei Ihnen: { $when }
show-see = Zur Veranstaltung
show-calendar = In den Kalender
cover-choose = Bild auswählen
cover-hint = JPEG, PNG oder WebP. Ohne Bild hat die Veranstaltung eine Zeichnung.
cover-changed = Die Veranstaltung hat ihr neues Bild.
show-sell = Tickets dafür verkaufen
show-listings = Tickets
show-nothing = Nichts zu kaufen
show-nothing-text = Sobald jemand ein Ticket für diese Veranstaltung anbietet, erscheint es hier von selbst.
listings-filter = Tickets eingrenzen
listings-no-match = Versuchen Sie es mit einer anderen Anzahl. Neue erscheinen hier von selbst.
how-many-any = Beliebig viele
section-any = Alle Blöcke
seats-free-choice = Ohne Platzangabe
price-each = je Ticket
just-listed = Gerade angeboten
all-tickets = Alle Tickets

## Was zu kaufen ist

tickets-title = Tickets zu verkaufen
tickets-lead = Wählen Sie eines aus, und es gehört beim Bezahlen { $time } lang nur Ihnen.
live = Live
search-label = Tickets finden
search = Suche
search-example = Künstler, Verein, Ereignis …
search-unreadable = Danach können wir nicht suchen. Versuchen Sie andere Wörter.
price-lowest = Mindestpreis
price-highest = Höchstpreis
price-any = Beliebig
price-upside-down = Der Mindestpreis liegt über dem Höchstpreis.
sort = Sortieren
sort-newest = Neueste zuerst
sort-price-up = Preis aufsteigend
sort-price-down = Preis absteigend
tickets = Tickets
tickets-found = { $more ->
    [yes] { $count } oder mehr Tickets gefunden
   *[no] { $count ->
        [one] { $count } Ticket gefunden
       *[other] { $count } Tickets gefunden
    }
}
nothing-matches = Nichts passt
nothing-matches-text = Versuchen Sie es mit weniger Wörtern oder einer größeren Preisspanne. Neue Tickets erscheinen hier von selbst.
clear-filters = Filter löschen
nothing-for-sale = Noch nichts zu verkaufen
nothing-for-sale-text = Machen Sie den Anfang: Bieten Sie ein Ticket an, und alle sehen es hier sofort.
sell-a-ticket = Ein Ticket verkaufen

## Ein Ticket

ticket = Ticket
title = Titel
price = Preis
price-is = Preis: { $price }
price-hint = So viel zahlt, wer es kauft.
price-hint-asked = Was Sie für jedes verlangen.
price-understood = Wer es kauft, zahlt { $price }.
amount-unreadable = Schreiben Sie den Betrag als Zahl, etwa 25.
amount-too-precise = So viele Nachkommastellen hat die Währung nicht.
status-is = Status: { $status }
status-available = Verfügbar
status-locked = Reserviert
status-sold = Verkauft
status-withdrawn = Zurückgezogen
status-closed = Geschlossen
status-unknown = Nicht zu verkaufen
ticket-description = „{ $title }“ für { $price } bei GitTix. Wer es auswählt, hat es beim Bezahlen { $time } lang für sich allein.
ticket-description-show = { $title }: { $time }, { $venue } in { $city }. Für { $price } bei GitTix, mit allen Gebühren.
ticket-description-gone = „{ $title }“ ist bei GitTix im Moment nicht zu kaufen.
ticket-purchase = Kaufen
ticket-sign-in = Anmelden und kaufen
ticket-held = Gerade bezahlt es jemand. Wenn daraus nichts wird, ist es wieder zu haben: Diese Seite sagt es Ihnen.
ticket-withdrawn = Dieses Ticket wurde vom Verkauf zurückgezogen.
ticket-gone = Es ist weg.
ticket-see-others = Was es sonst noch gibt
ticket-yours = Es gehört Ihnen.
ticket-holding = Es ist für Sie reserviert.
ticket-see-order = Zu Ihrer Bestellung
ticket-go-on = Weiter zum Bezahlen
ticket-price-changed = Der Preis hat sich geändert: Jetzt sind es { $price }. Wenn Ihnen das recht ist, drücken Sie noch einmal auf Kaufen.
ticket-own-locked = Gerade bezahlt es jemand, darum lässt es sich nicht ändern.
ticket-own-sold = Es ist verkauft, darum lässt es sich nicht mehr ändern.
edit = Ändern
withdraw = Zurückziehen
withdraw-title = Dieses Ticket zurückziehen?
withdraw-text = „{ $title }“ wird endgültig vom Markt genommen.

## Plätze, und was sie kosten

section = Block
section-choose = Block auswählen
row = Reihe
seats = Plätze
seats-hint = Etwa 12-15 oder 4, 6, 8. Bei freier Platzwahl lassen Sie es leer.
seats-unreadable = Schreiben Sie Plätze in einer Reihe wie 12-15 oder A1-A4.
seats-upside-down = Der erste Platz einer Reihe steht vorn, wie bei 12-15.
seats-too-many = Höchstens { $most } Plätze gehen in ein Angebot.
seats-repeated = Ein Platz steht zweimal da.
in-section = Block { $section }
in-row = Reihe { $row }
in-seats = { $count ->
    [one] Platz { $seats }
   *[other] Plätze { $seats }
}
tickets-count = { $count ->
    [one] { $count } Ticket
   *[other] { $count } Tickets
}
seats-left = Noch { $available } von { $count } zu haben
quantity = Wie viele Tickets
quantity-hint = Bis zu { $most }. Plätze, die Sie nennen, werden gezählt.
quantity-unreadable = Schreiben Sie eine ganze Zahl von 1 bis { $most }.
split = Wie dürfen Käufer sie teilen?
split-avoid-one = Keines bleibt allein
split-avoid-one-text = Beliebig viele, solange kein einzelnes Ticket übrig bleibt.
split-any = Beliebig viele
split-any-text = Auch wenn ein einzelnes Ticket übrig bleibt.
split-pairs = Paarweise
split-pairs-text = Zwei, vier, sechs …
split-none = Nur zusammen
split-none-text = Wer kauft, nimmt alle.
face-value = Originalpreis
face-value-hint = Was jedes zuerst gekostet hat, wenn Sie es sagen möchten.
face-value-is = Originalpreis { $price }
notes = Anmerkungen
notes-hint = Was man beim Kauf wissen sollte, etwa eingeschränkte Sicht.
how-many = Wie viele?
total = Gesamt
total-seats = { $count } × { $price }
total-fees = Gebühren
total-all-in = Alles inbegriffen: So viel bezahlen Sie.
price-each-is = Preis: je { $price }
price-shares = Wer kauft, zahlt { $price } mit Gebühren. Sie bekommen { $proceeds }.
quantity-unavailable = { $count ->
    [0] Im Moment sind alle vergeben.
   *[other] So viele sind nicht mehr zu haben. Möglich ist noch: { $numbers }.
}
too-many-seats = Eine Person kann höchstens { $most } Tickets davon haben, reservierte eingeschlossen.
ticket-closed = Es ist nicht mehr zu kaufen.
ticket-own-closed = Es ist nicht mehr zu kaufen.

## Verkaufen

sell-title = Ticket anbieten
sell-lead = Es steht zum Verkauf, sobald Sie es anbieten.
sell-submit = Anbieten
sell-steps = Schritte
sell-step-show = Wofür ist es?
sell-step-seats = Wo, und wie viele?
sell-step-price = Was verlangen Sie?
sell-find = Veranstaltung suchen
sell-find-hint = Künstler, Verein, Ort oder Stadt.
sell-find-none = So eine Veranstaltung kennen wir noch nicht.
sell-add-show = Veranstaltung eintragen
sell-show-added = Die Veranstaltung ist eingetragen.
sell-no-show = Etwas anderes
sell-change = Ändern
sell-outlook = { $count ->
    [one] Wenn es verkauft wird, bekommen Sie { $proceeds }.
   *[other] Wenn alle { $count } verkauft werden, bekommen Sie { $proceeds }.
}
continue = Weiter
back = Zurück
show-name = Name der Veranstaltung
show-performers = Wer auftritt
show-performers-hint = Mehrere mit Kommas dazwischen.
show-starts = Beginn
show-starts-hint = Nach der Uhr am Ort.
venue = Ort
venue-find = Ort suchen
venue-find-hint = Sein Name oder seine Stadt.
venue-find-none = So einen Ort kennen wir noch nicht.
venue-add = Ort eintragen
venue-name = Name des Ortes
venue-address = Adresse
venue-sections = Blöcke
venue-sections-hint = Mit Kommas dazwischen. Ohne sie schreibt man beim Verkaufen, was auf dem Ticket steht.
venue-save = Ort speichern
venue-needed = Wählen Sie einen Ort, oder tragen Sie ihn ein.
country = Land
time-zone = Zeitzone
sell-see-mine = Was Sie schon anbieten
selling-title = Meine Angebote
selling-list = Was Sie verkaufen
selling-nothing = Sie bieten nichts an
selling-nothing-text = Bieten Sie ein Ticket an, das Sie nicht brauchen. Es steht sofort zum Verkauf.
tabs = Meins
tab-buying = Käufe
tab-selling = Verkäufe

## Bestellungen

order = Bestellung
order-yours = Ihr Ticket
order-title = Kauf: { $title }
order-left = Sie haben noch { $time } zum Bezahlen
order-left-told = Noch { $time } zum Bezahlen
order-confirming = Ihre Zahlung wird bestätigt
order-confirming-text = Das dauert meist nur ein paar Sekunden. Sie können die Seite verlassen; das Ergebnis steht unter Meine Tickets.
order-complete = Bestellung abgeschlossen
order-complete-text = Es gehört Ihnen. Sie haben { $price } bezahlt, am { $when }.
order-refunded = Erstattet
order-refunded-text = Ihre { $price } gingen zurück auf Ihre Karte.
order-refund-pending = Erstattung unterwegs
order-refund-pending-text = Ihre { $price } sind auf dem Weg zurück auf Ihre Karte. Banken brauchen dafür ein paar Tage.
order-refund-failed = Erstattung fehlgeschlagen
order-refund-failed-text = Ihre Bank hat die { $price } nicht zurückgenommen. Sie stehen Ihnen weiter zu, und die Betreiber dieses Marktplatzes wissen davon.
order-dispute-open = Sie haben diese Zahlung bei Ihrer Bank angefochten. Sie hat noch nicht entschieden.
order-dispute-won = Ihre Bank hat die Anfechtung zugunsten der Verkäuferseite entschieden.
order-dispute-lost = Ihre Bank hat die Anfechtung zu Ihren Gunsten entschieden.
order-expired = Bestellung abgelaufen
order-expired-text = Die Zeit zum Bezahlen ist vorbei, und das Ticket ist wieder zu haben. Es wurde nichts abgebucht.
order-failed = Zahlung fehlgeschlagen
order-failed-text = { $reason } Es wurde nichts abgebucht, und das Ticket ist wieder zu haben.
order-cancelled = Bestellung storniert
order-cancelled-text = Sie haben auf dieses Ticket verzichtet. Es wurde nichts abgebucht.
order-see-ticket = Zum Ticket
order-browse = Andere ansehen
order-bank = Warten auf Ihre Bank
order-bank-text = Ihre Bank möchte wissen, ob Sie es sind.
order-state-open = Wartet auf Zahlung
order-state-paid = Bezahlt
order-state-refunded = Erstattet
order-state-refund-pending = Erstattung unterwegs
order-state-refund-failed = Erstattung fehlgeschlagen
order-state-expired = Abgelaufen
order-state-failed = Zahlung fehlgeschlagen
order-state-cancelled = Storniert
orders-title = Meine Tickets
orders-nothing = Noch keine Tickets
orders-nothing-text = Wenn Sie ein Ticket auswählen, ist es hier beim Bezahlen für Sie reserviert.
give-up-title = Auf dieses Ticket verzichten?
give-up-text = Es steht dann sofort wieder zum Verkauf, und jemand anderes kann es kaufen.
give-up = Verzichten
told-completed = Bestellung abgeschlossen. Das Ticket gehört Ihnen.
told-expired = Bestellung abgelaufen.
told-refunded = Ihre Zahlung wurde erstattet.
told-failed = Zahlung fehlgeschlagen.
told-cancelled = Bestellung storniert.
told-paying = Ihre Zahlung wird bestätigt.
told-bank = Ihre Bank möchte wissen, ob Sie es sind.
told-open = Sie können noch einmal bezahlen.

## Bezahlen

pay = Bezahlen
pay-price = { $price } bezahlen
pay-decline = { $tries ->
    [one] Wenn Ihre Karte abgelehnt wird, endet diese Bestellung, und das Ticket ist wieder zu haben. Es wird nichts abgebucht.
   *[other] Wenn Ihre Karte abgelehnt wird, können Sie eine andere nehmen. Nach { $tries } abgelehnten Zahlungen endet diese Bestellung, und das Ticket ist wieder zu haben.
}
sandbox-hint = Testbetrieb: Es wird kein Geld bewegt.
card = Karte
card-choose = Wählen Sie eine Testkarte
card-succeeds = Klappt
card-declined = Abgelehnt
card-insufficient-funds = Zu wenig Guthaben
card-expired = Abgelaufene Karte
card-bank-asks = 3-D Secure: Die Bank fragt nach
card-type = Eine Testkarte eintippen
card-type-hint = Etwa 4242 4242 4242 4242
card-number = Kartennummer
card-expiry = Gültig bis
card-expiry-example = 12/34
card-code = Prüfziffer
card-number-wrong = In dieser Nummer ist eine Ziffer vertippt, oder eine fehlt.
card-not-a-test-card = Im Testbetrieb gehen nur seine eigenen Testkarten, etwa 4242 4242 4242 4242.
card-expiry-wrong = Schreiben Sie Monat und Jahr, wie 12/34.
card-past = Dieses Datum ist vorbei. Nehmen Sie eine Karte, die noch gilt.
card-code-wrong = Es sind die drei oder vier Ziffern auf der Karte.
card-incomplete = Füllen Sie erst alle Felder der Karte aus.
stripe-unreachable = Stripe war nicht zu erreichen. Versuchen Sie es gleich noch einmal.
stripe-no-key = Bezahlen im Browser ist auf diesem Server nicht eingerichtet: Ihm fehlt der öffentliche Schlüssel.
decline-insufficient-funds = Auf der Karte ist zu wenig Guthaben.
decline-expired-card = Die Karte ist abgelaufen.
decline-incorrect-cvc = Die Prüfziffer der Karte stimmt nicht.
decline-processing-error = Die Bank konnte die Karte nicht belasten.
decline-authentication = Ihre Bank hat nicht bestätigt, dass Sie es sind.
decline-other = Die Karte wurde abgelehnt.
bank-name = Testbank
bank-question = Sind Sie es?
bank-text = GitTix möchte { $price } von Ihrer Karte mit der Endung 3155 abbuchen.
bank-yes = Ja, bezahlen
bank-no = Nein, das bin ich nicht
bank-closed = Die Testbank hat geschlossen. Die Bestellung läuft von selbst ab, und nichts wird abgebucht.
bank-go-on = Weiter zu Ihrer Bank
bank-other-card = Eine andere Karte nehmen

## Das Konto

email = E-Mail
password = Passwort
password-hint = 8 bis 128 Zeichen. Ein paar Wörter, die Sie sich merken können, sind gut.
password-show = Zeigen
password-show-label = Passwort zeigen
password-hide = Verbergen
sign-up-lead = Verkaufen Sie, was Sie nicht brauchen, und kaufen Sie, was Sie brauchen.
sign-up-to-continue = Registrieren Sie sich, um fortzufahren.
sign-up-submit = Konto anlegen
sign-in-lead = Schön, dass Sie wieder da sind.
sign-in-to-continue = Melden Sie sich an, um fortzufahren.
sign-in-submit = Jetzt anmelden
have-account = Sie haben schon ein Konto?
have-account-link = Melden Sie sich an
no-account = Neu bei GitTix?
no-account-link = Registrieren Sie sich
forgotten-link = Passwort vergessen?
forgotten-title = Passwort vergessen?
forgotten-lead = Wir schicken Ihnen einen Link, mit dem Sie ein neues wählen.
forgotten-submit = Link schicken
forgotten-done = Wenn es ein Konto mit dieser Adresse gibt, ist eine Nachricht dorthin unterwegs.
reset-title = Wählen Sie ein neues Passwort
reset-lead = Sie werden überall abgemeldet und melden sich mit dem neuen an.
reset-submit = Passwort setzen
reset-done = Ihr Passwort ist gesetzt. Wo Sie angemeldet waren, sind Sie jetzt abgemeldet.
reset-again = Um einen neuen Link bitten
verify-title = Bestätigen Sie Ihre E-Mail-Adresse
verify-lead = Damit zeigen Sie, dass die Adresse Ihnen gehört.
verify-submit = Adresse bestätigen
verify-done = Ihre Adresse ist bestätigt.
verify-go-on = Ansehen, was es gibt
error-token-invalid = Dieser Link wurde schon benutzt oder ist zu alt. Bitten Sie um einen neuen.
account-title = Ihr Konto
account-signed-in = Sie sind angemeldet als
account-email = E-Mail-Adresse
account-verified = Ihre Adresse ist bestätigt.
account-unverified = Ihre Adresse ist noch nicht bestätigt. Öffnen Sie den Link in der Nachricht, die wir Ihnen dorthin geschickt haben.
account-verify-again = Link noch einmal schicken
account-verify-sent = Eine Nachricht mit einem neuen Link ist unterwegs. Ältere Links gelten nicht mehr.
account-new-email = Neue E-Mail
account-change-email = E-Mail ändern
account-email-changed = Ihre E-Mail-Adresse ist geändert.
account-new-password = Neues Passwort
account-current-password = Jetziges Passwort
account-change-password = Passwort ändern
account-password-changed = Ihr Passwort ist geändert. Hier bleiben Sie angemeldet; überall sonst sind Sie abgemeldet.
totp = Anmelden in zwei Schritten
totp-off = Ein Code aus einer Authenticator-App auf Ihrem Telefon schützt neben dem Passwort Ihr Konto, auch wenn jemand das Passwort erfährt.
totp-begin = Einrichten
totp-scan = Nehmen Sie dieses Bild mit einer Authenticator-App auf.
totp-picture = Ein QR-Code für eine Authenticator-App
totp-type = Oder tippen Sie diesen Schlüssel dort ein:
totp-code = Code
totp-code-hint = Sechs Ziffern aus Ihrer Authenticator-App oder einer Ihrer Wiederherstellungscodes.
totp-confirm = Einschalten
totp-begun = Die Anmeldung in zwei Schritten ist eingeschaltet.
totp-recovery = Bewahren Sie diese Wiederherstellungscodes sicher auf. Wenn Sie Ihr Telefon verlieren, melden Sie sich mit jedem davon einmal an. Sie werden nur jetzt gezeigt.
totp-recovery-codes = Wiederherstellungscodes
totp-on = Zum Anmelden gehören Ihr Passwort und ein Code aus Ihrer Authenticator-App.
totp-end = Ausschalten
totp-ended = Die Anmeldung in zwei Schritten ist ausgeschaltet.
sessions = Wo Sie angemeldet sind
session-client = { $client }
session-unknown = Ein unbekanntes Gerät
session-current = Dieses Gerät
session-seen = Zuletzt benutzt { $when }
session-began = Angemeldet { $when }
session-end = Abmelden
session-end-label = { $client } abmelden
session-ended = { $client } ist abgemeldet.
tokens = API-Tokens
tokens-hint = Ein Programm, das einen hat, kann alles, was Sie können, außer Ihr Konto zu ändern.
token-name = Name
token-name-hint = Wofür der Token ist.
token-create = Token erstellen
token-created = Kopieren Sie den Token jetzt. Er wird nur dieses eine Mal gezeigt.
token-unused = Nie benutzt
token-made = Erstellt { $when }
token-revoke = Widerrufen
token-revoke-label = { $name } widerrufen
token-revoke-title = { $name } widerrufen?
token-revoke-text = Programme, die ihn benutzen, hören sofort auf zu funktionieren.
token-revoked = { $name } ist widerrufen.

## Was schiefgehen kann

error-offline = Wir haben den Server nicht erreicht. Prüfen Sie Ihre Verbindung und versuchen Sie es noch einmal.
error-other = Das hat nicht geklappt. Versuchen Sie es gleich noch einmal.
error-server = Bei uns ist etwas schiefgegangen. Wenn es wieder geschieht, nennen Sie uns diese Nummer: { $id }
error-unavailable = Der Server kann gerade nicht antworten. Versuchen Sie es gleich noch einmal.
error-not-found = Das gibt es nicht mehr.
error-required = Das fehlt noch.
error-starts-past = Die Veranstaltung muss in der Zukunft liegen.
error-field = Das stimmt noch nicht.
error-email-invalid = Das ist keine gültige E-Mail-Adresse.
error-email-in-use = Zu dieser E-Mail-Adresse gibt es schon ein Konto. Möchten Sie sich stattdessen anmelden?
error-invalid-credentials = E-Mail und Passwort passen nicht zusammen. Prüfen Sie beides und versuchen Sie es noch einmal.
error-too-many-tokens = Sie haben so viele Tokens, wie ein Konto haben darf. Widerrufen Sie zuerst einen.
error-name-required = Ein Name ist nötig.
error-name-long = Der Name darf höchstens 100 Zeichen haben.
error-name-other = Der Name enthält Zeichen, die nicht gehen.
error-totp-required = Geben Sie den Code ein, den Ihre Authenticator-App zeigt.
error-totp-invalid = Der Code stimmt nicht oder wurde schon benutzt. Warten Sie auf den nächsten.
error-wrong-password = Das jetzige Passwort stimmt nicht.
error-password-missing = Geben Sie ein Passwort ein.
error-password-length = Das Passwort muss 8 bis 128 Zeichen haben.
error-password-common = Dieses Passwort ist zu leicht zu erraten. Nehmen Sie ein anderes.
error-too-many-requests = Zu viele Versuche. Versuchen Sie es gleich noch einmal.
error-too-many-requests-until = Zu viele Versuche. Versuchen Sie es wieder in: { $time }.
error-too-many-holds = Sie haben so viele unbezahlte Tickets reserviert, wie eine Person darf. Bezahlen Sie zuerst eines, oder geben Sie eines zurück.
error-held-too-often = Sie haben dieses Ticket schon mehrmals reserviert. Versuchen Sie es wieder in: { $time }.
error-ticket-locked = Gerade kauft jemand anderes dieses Ticket.
error-ticket-sold = Dieses Ticket ist verkauft.
error-ticket-closed = Dieses Ticket ist nicht mehr zu kaufen.
error-seat-listed = Einen dieser Plätze bieten Sie schon an.
error-not-operator = Das dürfen nur die Betreiber des Marktplatzes.
error-picture = Wählen Sie ein JPEG, PNG oder WebP mit höchstens 10 MB und 20 Megapixeln.
error-show-over = Diese Veranstaltung hat begonnen oder ist vorbei.
error-show-cancelled = Diese Veranstaltung ist abgesagt.
error-show-postponed = Diese Veranstaltung ist verschoben. Bis zum neuen Termin wird nichts verkauft.
error-seats-count = Es müssen so viele Plätze sein wie Tickets.
error-place = 1 bis 40 Zeichen, und nur solche, die sich zeigen lassen.
error-split-pairs = Für Paare braucht es eine gerade Zahl von Tickets.
error-split-nothing = So bleibt nichts, was eine Person nehmen darf. Bieten Sie weniger Tickets an, oder lassen Sie sie teilen.
error-notes = Höchstens 500 Zeichen, und nur solche, die sich zeigen lassen.
error-own-ticket = Dieses Ticket ist Ihr eigenes.
error-precondition-failed = Dieses Ticket hat sich geändert, seit Sie es geöffnet haben. Sehen Sie es noch einmal an, bevor Sie speichern.
error-payment-in-progress = Für diese Bestellung läuft gerade eine Zahlung.
error-order-completed = Diese Bestellung ist schon bezahlt.
error-order-cancelled = Diese Bestellung ist storniert.
error-order-expired = Die Zeit zum Bezahlen dieser Bestellung ist vorbei.
error-unauthenticated = Sie sind abgemeldet. Melden Sie sich an und versuchen Sie es noch einmal.
error-title-required = Ein Titel fehlt noch.
error-title-long = Der Titel ist zu lang. Höchstens 200 Zeichen gehen.
error-title-other = Der Titel hat Zeichen, die sich nicht zeigen lassen. Schreiben Sie ihn in einfachen Worten.
error-price-zero = Der Preis muss größer als 0 sein.
error-price-low = Der Preis liegt unter dem, was sich mit Karte bezahlen lässt.
error-price-high = Der Preis ist zu hoch.
