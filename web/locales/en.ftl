# Every text of the storefront in English. `de.ftl` has the same texts; a test compares them.

## Around every page

page-title = { $title } – GitTix
page-title-home = GitTix – { $title }
site-description = Buy and sell tickets. A ticket you choose is yours alone while you pay.
skip = Skip to content
nav-label = Account
sign-up = Sign Up
sign-in = Sign In
sign-out = Sign Out
signed-out = Signed out
nav-orders = My Tickets
nav-selling = Selling
nav-sell = Sell Tickets
nav-account = Your account: { $email }
languages = Language
terms-sandbox = A sandbox: payments are imitations, and no money moves.
noscript = GitTix needs JavaScript to buy and sell. The same marketplace is open to programs:
noscript-link = see the API
loading = Loading…
try-again = Try again
show-more = Show more
cancel = Cancel
save = Save
saved = Saved
keep = Keep it
browse = Browse tickets
connection-lost = Connection lost. Trying to reconnect…
connection-back = You're back online. Everything here is up to date.
unreachable = GitTix can't be reached right now. Check your connection and load the page again.
unreachable-title = GitTix can't be reached
failure-page = Something went wrong
failure-title = That didn't work
missing-title = Not found
missing-page = We can't find that page
missing-page-text = The address may be mistyped, or the page has moved.
missing-ticket = We can't find that ticket
missing-ticket-text = It may have been withdrawn, or it isn't yours to see.
missing-show = We can't find that show
missing-show-text = It may have been taken away, or the address is mistyped.
missing-order = We can't find that order
missing-order-text = It may have been made by somebody else. Sign in as whoever ordered it.
duration-minutes = { $count ->
    [one] { $count } minute
   *[other] { $count } minutes
}
duration-seconds = { $count ->
    [one] { $count } second
   *[other] { $count } seconds
}

## The front page, and a show

home-title = What's on
home-lead = Find a show, see what you will really pay, and pay that.
shows = Shows
shows-search = Find a show
shows-found = { $more ->
    [yes] { $count } or more shows found
   *[no] { $count ->
        [one] { $count } show found
       *[other] { $count } shows found
    }
}
shows-none = No shows are announced yet. Whoever sells a ticket may add one.
shows-no-match = Try fewer words, another city, or more days.
city = City
city-example = Berlin
date-from = From
date-to = Until
dates-upside-down = The last day is before the first.
category = Kind
category-any = Everything
category-concert = Concert
category-sports = Sports
category-theatre = Theatre
category-comedy = Comedy
category-festival = Festival
category-other = Other
show = Show
show-description = { $title }: { $time }, { $venue } in { $city }. Tickets on GitTix, at what you really pay.
show-description-postponed = { $title }, { $venue } in { $city }, is postponed. The new date is not known yet.
show-description-cancelled = { $title } on { $time }, { $venue } in { $city }, is cancelled.
show-description-over = { $title }, { $venue } in { $city }, was on { $time }.
show-from = from { $price }
show-postponed = Postponed
show-postponed-text = This show is postponed. Nothing is sold until it has a new date; tickets stay good.
show-cancelled = Cancelled
show-cancelled-text = This show is cancelled. Whoever bought a ticket gets all their money back.
show-over = Over
show-over-text = This show is over.
show-no-date = The new date is not known yet
when-there = in { $city }
when-here = { $when } where you are
show-see = See the show
show-calendar = Add to calendar
cover-choose = Choose a picture
cover-hint = JPEG, PNG or WebP. Without one, the show has a drawing.
cover-changed = The show has its new picture.
show-sell = Sell tickets for it
show-listings = Tickets
show-nothing = Nothing on sale
show-nothing-text = When somebody sells a ticket for this show, it appears here by itself.
listings-filter = Narrow the tickets
listings-no-match = Try another number of tickets. New ones appear here by themselves.
how-many-any = Any number
section-any = All sections
seats-free-choice = No seats named
price-each = each
just-listed = Just listed
all-tickets = See all tickets

## Tickets for sale

tickets-title = Tickets For Sale
tickets-lead = Choose one and it's yours alone for { $time } while you pay.
live = Live
search-label = Find tickets
search = Search
search-example = Artist, team, event…
search-unreadable = We can't search for that. Try other words.
price-lowest = Lowest price
price-highest = Highest price
price-any = Any
price-upside-down = The lowest price is above the highest.
sort = Sort by
sort-newest = Newest first
sort-price-up = Price: low to high
sort-price-down = Price: high to low
tickets = Tickets
tickets-found = { $more ->
    [yes] { $count } or more tickets found
   *[no] { $count ->
        [one] { $count } ticket found
       *[other] { $count } tickets found
    }
}
nothing-matches = Nothing matches
nothing-matches-text = Try fewer words or a wider range of prices. New tickets appear here by themselves.
clear-filters = Clear filters
nothing-for-sale = Nothing for sale yet
nothing-for-sale-text = Be the first: list a ticket, and it appears here for everybody at once.
sell-a-ticket = Sell a ticket

## One ticket

ticket = Ticket
title = Title
price = Price
price-is = Price - { $price }
price-hint = What a buyer pays.
price-hint-asked = What you ask for each.
price-understood = A buyer pays { $price }.
amount-unreadable = Write the amount as a number, such as 25.
amount-too-precise = The currency doesn't have that many decimals.
status-is = Status - { $status }
status-available = Available
status-locked = Locked
status-sold = Sold
status-withdrawn = Withdrawn
status-closed = Closed
status-unknown = Not for sale
ticket-description = “{ $title }” for { $price } on GitTix. Choose it and it's yours alone for { $time } while you pay.
ticket-description-show = { $title }: { $time }, { $venue } in { $city }. For { $price } on GitTix, fees included.
ticket-description-gone = “{ $title }” on GitTix is not for sale at the moment.
ticket-purchase = Purchase
ticket-sign-in = Sign in to purchase
ticket-held = Somebody is paying for it right now. If they don't, it's for sale again: this page will tell you.
ticket-withdrawn = The seller has withdrawn this ticket.
ticket-gone = It's gone.
ticket-see-others = See what else is for sale
ticket-yours = It's yours.
ticket-holding = You are holding it.
ticket-see-order = See your order
ticket-go-on = Go on to pay
ticket-price-changed = The price has changed: it is { $price } now. Press Purchase again if that is fine with you.
ticket-own-locked = A buyer is paying for it right now, so it can't be changed.
ticket-own-sold = It has been sold, so it can't be changed.
edit = Edit
withdraw = Withdraw
withdraw-title = Withdraw this ticket?
withdraw-text = “{ $title }” is taken off the market for good.

## Seats, and what they cost

section = Section
section-choose = Choose a section
row = Row
seats = Seats
seats-hint = Such as 12-15, or 4, 6, 8. Leave it empty if seats aren't numbered.
seats-unreadable = Write a row of seats like 12-15 or A1-A4.
seats-upside-down = The first seat of a row comes first, like 12-15.
seats-too-many = At most { $most } seats go into one listing.
seats-repeated = A seat is there twice.
in-section = Section { $section }
in-row = Row { $row }
in-seats = { $count ->
    [one] Seat { $seats }
   *[other] Seats { $seats }
}
tickets-count = { $count ->
    [one] { $count } ticket
   *[other] { $count } tickets
}
seats-left = { $available } of { $count } still to be had
quantity = How many tickets
quantity-hint = Up to { $most }. Seats that you name are counted.
quantity-unreadable = Write a whole number from 1 to { $most }.
split = How may buyers divide them?
split-avoid-one = Leave nobody alone
split-avoid-one-text = Any number, as long as no single ticket is left over.
split-any = Any number
split-any-text = Even if one ticket is left over.
split-pairs = In pairs
split-pairs-text = Two, four, six…
split-none = All together
split-none-text = One buyer takes all of them.
face-value = Face value
face-value-hint = What each cost at first, if you want to say.
face-value-is = Face value { $price }
notes = Notes
notes-hint = Anything a buyer should know, such as a restricted view.
how-many = How many?
total = Total
total-seats = { $count } × { $price }
total-fees = Fees
total-all-in = Everything included: this is what you pay.
price-each-is = Price - { $price } each
price-shares = A buyer pays { $price }, fees included. You get { $proceeds }.
quantity-unavailable = { $count ->
    [0] All of them are taken at the moment.
   *[other] That many can't be had any more. You can still have: { $numbers }.
}
too-many-seats = One person may have at most { $most } tickets of it, those they hold included.
ticket-closed = It is not for sale any more.
ticket-own-closed = It is not for sale any more.

## Selling

sell-title = Create a Ticket
sell-lead = It's for sale the moment you list it.
sell-submit = List ticket
sell-steps = Steps
sell-step-show = What is it for?
sell-step-seats = Where and how many?
sell-step-price = What do you ask?
sell-find = Find the show
sell-find-hint = Artist, team, venue or city.
sell-find-none = We don't know such a show yet.
sell-add-show = Add the show
sell-show-added = The show is added.
sell-no-show = Something else
sell-change = Change
sell-outlook = { $count ->
    [one] If it sells, you get { $proceeds }.
   *[other] If all { $count } sell, you get { $proceeds }.
}
continue = Continue
back = Back
show-name = Name of the show
show-performers = Who plays
show-performers-hint = Several of them with commas between.
show-starts = Starts
show-starts-hint = By the clock of the venue.
venue = Venue
venue-find = Find the venue
venue-find-hint = Its name, or its city.
venue-find-none = We don't know such a venue yet.
venue-add = Add the venue
venue-name = Name of the venue
venue-address = Address
venue-sections = Sections
venue-sections-hint = With commas between. Left empty, sellers write what is printed on their tickets.
venue-save = Save the venue
venue-needed = Choose a venue, or add it.
country = Country
time-zone = Time zone
sell-see-mine = See what you're selling
selling-title = Selling
selling-list = What you sell
selling-nothing = You aren't selling anything
selling-nothing-text = List a ticket you can't use. It's for sale at once.
tabs = Mine
tab-buying = Buying
tab-selling = Selling

## Orders

order = Order
order-yours = Your ticket
order-title = Purchasing { $title }
order-left = You have { $time } left to order
order-left-told = { $time } left to order
order-confirming = Confirming your payment
order-confirming-text = This usually takes a few seconds. You can leave this page; the outcome is kept under My Tickets.
order-complete = Order Complete
order-complete-text = It's yours. You paid { $price } on { $when }.
order-refunded = Refunded
order-refunded-text = Your { $price } went back to your card.
order-refund-pending = Refund on its way
order-refund-pending-text = Your { $price } is on its way back to your card. Banks take some days for it.
order-refund-failed = Refund failed
order-refund-failed-text = Your bank did not take the { $price } back. It is still owed to you, and whoever runs this marketplace has been told.
order-dispute-open = You disputed this payment at your bank. It has not decided yet.
order-dispute-won = Your bank decided the dispute for the seller.
order-dispute-lost = Your bank decided the dispute for you.
order-expired = Order Expired
order-expired-text = The time to pay is over, and the ticket is for sale again. You were not charged.
order-failed = Payment failed
order-failed-text = { $reason } You were not charged, and the ticket is for sale again.
order-cancelled = Order Cancelled
order-cancelled-text = You gave this ticket up. You were not charged.
order-see-ticket = See the ticket
order-browse = Browse others
order-bank = Waiting for your bank
order-bank-text = Your bank wants to know that it's you.
order-state-open = Waiting for payment
order-state-paid = Paid
order-state-refunded = Refunded
order-state-refund-pending = Refund on its way
order-state-refund-failed = Refund failed
order-state-expired = Expired
order-state-failed = Payment failed
order-state-cancelled = Cancelled
orders-title = My Tickets
orders-nothing = No tickets yet
orders-nothing-text = When you choose a ticket, it's held for you here while you pay.
give-up-title = Give this ticket up?
give-up-text = It goes back on sale at once, and somebody else may buy it.
give-up = Give it up
told-completed = Order complete. The ticket is yours.
told-expired = Order expired.
told-refunded = Your payment was refunded.
told-failed = Payment failed.
told-cancelled = Order cancelled.
told-paying = Confirming your payment.
told-bank = Your bank wants to know that it's you.
told-open = You can pay again.

## Paying

pay = Pay
pay-price = Pay { $price }
pay-decline = { $tries ->
    [one] If your card is declined, this order ends and the ticket is for sale again. You are not charged.
   *[other] If your card is declined, you can try another one. After { $tries } declined payments this order ends and the ticket is for sale again.
}
sandbox-hint = This is a sandbox: no money moves.
card = Card
card-choose = Choose a test card
card-succeeds = Succeeds
card-declined = Declined
card-insufficient-funds = Insufficient funds
card-expired = Expired card
card-bank-asks = 3-D Secure: the bank asks you
card-type = Type a test card
card-type-hint = Such as 4242 4242 4242 4242
card-number = Card number
card-expiry = Expires
card-expiry-example = 12/34
card-code = Security code
card-number-wrong = A digit of this number is mistyped or missing.
card-not-a-test-card = The sandbox only takes its own test cards, such as 4242 4242 4242 4242.
card-expiry-wrong = Write the month and the year, like 12/34.
card-past = This date is past. Use a card that is still good.
card-code-wrong = It's the three or four digits on the card.
card-incomplete = Fill in the whole card first.
stripe-unreachable = Stripe could not be reached. Try again in a moment.
stripe-no-key = Paying in the browser is not set up on this server: it has no publishable key.
decline-insufficient-funds = The card has insufficient funds.
decline-expired-card = The card has expired.
decline-incorrect-cvc = The card's security code is wrong.
decline-processing-error = The bank could not process the card.
decline-authentication = Your bank did not confirm that it's you.
decline-other = The card was declined.
bank-name = Sandbox Bank
bank-question = Is it you?
bank-text = GitTix asks to charge { $price } to your card ending in 3155.
bank-yes = Yes, pay
bank-no = No, it's not me
bank-closed = The sandbox's bank is closed. The order runs out by itself, and nothing is charged.
bank-go-on = Go on to your bank
bank-other-card = Use another card

## The account

email = Email
password = Password
password-hint = 8 to 128 characters. A few words you can remember make a good one.
password-show = Show
password-show-label = Show password
password-hide = Hide
sign-up-lead = Sell what you can't use, and buy what you can.
sign-up-to-continue = Sign up to continue.
sign-up-submit = Create account
sign-in-lead = Welcome back.
sign-in-to-continue = Sign in to continue.
sign-in-submit = Sign in
have-account = Already have an account?
have-account-link = Sign in instead
no-account = New to GitTix?
no-account-link = Sign up
forgotten-link = Forgot your password?
forgotten-title = Forgot your password?
forgotten-lead = We send you a link by which you choose a new one.
forgotten-submit = Send the link
forgotten-done = If there is an account with this address, a message is on its way to it.
reset-title = Choose a new password
reset-lead = You will be signed out everywhere, and sign in with the new one.
reset-submit = Set password
reset-done = Your password is set. Everywhere you were signed in, you are signed out.
reset-again = Ask for a new link
verify-title = Confirm your email address
verify-lead = This shows that the address is yours.
verify-submit = Confirm the address
verify-done = Your address is confirmed.
verify-go-on = See what is on
error-token-invalid = This link was used already or is too old. Ask for a new one.
account-title = Your account
account-signed-in = You are signed in as
account-email = Email address
account-verified = Your address is confirmed.
account-unverified = Your address is not confirmed yet. Open the link in the message we sent to it.
account-verify-again = Send the link again
account-verify-sent = A message with a new link is on its way. Older links no longer work.
account-new-email = New email
account-change-email = Change email
account-email-changed = Your email address is changed.
account-new-password = New password
account-current-password = Current password
account-change-password = Change password
account-password-changed = Your password is changed. You stay signed in here; everywhere else you are signed out.
totp = Two-step sign-in
totp-off = A code from an authenticator app on your phone, besides your password, keeps your account safe even if somebody learns the password.
totp-begin = Set it up
totp-scan = Scan this picture with an authenticator app.
totp-picture = A QR code for an authenticator app
totp-type = Or type this key into it:
totp-code = Code
totp-code-hint = Six digits from your authenticator app, or one of your recovery codes.
totp-confirm = Turn it on
totp-begun = Two-step sign-in is on.
totp-recovery = Keep these recovery codes in a safe place. If you lose your phone, each of them signs you in once. They are shown only now.
totp-recovery-codes = Recovery codes
totp-on = Signing in takes your password and a code from your authenticator app.
totp-end = Turn it off
totp-ended = Two-step sign-in is off.
sessions = Where you are signed in
session-client = { $client }
session-unknown = An unknown device
session-current = This device
session-seen = Last used { $when }
session-began = Signed in { $when }
session-end = Sign out
session-end-label = Sign out { $client }
session-ended = { $client } is signed out.
tokens = API tokens
tokens-hint = A program that has one can do everything you can, except to change your account.
token-name = Name
token-name-hint = What the token is for.
token-create = Create token
token-created = Copy the token now. It is shown only this once.
token-unused = Never used
token-made = Created { $when }
token-revoke = Revoke
token-revoke-label = Revoke { $name }
token-revoke-title = Revoke { $name }?
token-revoke-text = Programs that use it stop working at once.
token-revoked = { $name } is revoked.

## What can go wrong

error-offline = We couldn't reach the server. Check your connection and try again.
error-other = That didn't work. Try again in a moment.
error-server = Something went wrong on our side. If it happens again, tell us this number: { $id }
error-unavailable = The server can't answer right now. Try again in a moment.
error-not-found = It isn't there any more.
error-required = This is needed.
error-starts-past = The show has to be in the future.
error-field = This isn't right yet.
error-email-invalid = Email must be valid
error-email-in-use = An account with this email exists already. Sign in instead?
error-invalid-credentials = That email and password don't match. Check both and try again.
error-too-many-tokens = You have as many tokens as one account may. Revoke one first.
error-name-required = A name is needed.
error-name-long = The name may have at most 100 characters.
error-name-other = The name has characters that can't be used.
error-totp-required = Enter the code that your authenticator app shows.
error-totp-invalid = That code isn't right, or it was used already. Wait for the next one.
error-wrong-password = The current password isn't right.
error-password-missing = You must supply a password
error-password-length = Password must be between 8 and 128 characters
error-password-common = This password is too easy to guess. Choose another.
error-too-many-requests = Too many attempts. Try again in a moment.
error-too-many-requests-until = Too many attempts. Try again in { $time }.
error-too-many-holds = You hold as many unpaid tickets as one person may. Pay for one or cancel one first.
error-held-too-often = You have held this ticket several times already. Try again in { $time }.
error-ticket-locked = Somebody else is buying this ticket right now.
error-ticket-sold = This ticket has been sold.
error-ticket-closed = This ticket is not for sale any more.
error-seat-listed = You are selling one of these seats already.
error-not-operator = Only those who look after the market may do that.
error-picture = Choose a JPEG, PNG or WebP of at most 10 MB and 20 megapixels.
error-show-over = This show has begun or is over.
error-show-cancelled = This show is cancelled.
error-show-postponed = This show is postponed. Nothing is sold until it has a new date.
error-seats-count = There must be as many seats as tickets.
error-place = 1 to 40 characters, and none that can't be shown.
error-split-pairs = Pairs need an even number of tickets.
error-split-nothing = That leaves nothing that one buyer may take. Offer fewer tickets, or let them be divided.
error-notes = At most 500 characters, and none that can't be shown.
error-own-ticket = This ticket is your own.
error-precondition-failed = This ticket has changed since you opened it. Look again before you save.
error-payment-in-progress = A payment for this order is under way.
error-order-completed = This order is already paid.
error-order-cancelled = This order is cancelled.
error-order-expired = The time to pay for this order is over.
error-unauthenticated = You are signed out. Sign in and try again.
error-title-required = Title is required
error-title-long = The title is too long. 200 characters are the most.
error-title-other = The title has characters that can't be shown. Write it in plain words.
error-price-zero = Price must be greater than 0
error-price-low = The price is lower than a card payment may be.
error-price-high = The price is too high.
