"""Trades with the server at the given address, through the client that was generated for it.

Every operation must send the request that it is named after: a ticket is listed, changed, locked
by a second user, paid and looked at, and then a hold is cancelled and a listing withdrawn.
"""

import sys

from client import AuthenticatedClient, Client
from client.api.accounts import get_current_user, sign_in, sign_out, sign_up
from client.api.orders import cancel_order, create_order, get_order, list_orders
from client.api.payments import get_payment, pay_order
from client.api.tickets import (
    change_ticket,
    create_ticket,
    get_ticket,
    get_ticket_sale,
    list_tickets,
    replace_ticket,
    withdraw_ticket,
)
from client.models import (
    Credentials,
    NewAccount,
    OrderDraft,
    PaymentDraft,
    TicketChanges,
    TicketDraft,
)

URL = sys.argv[1]
PASSWORD = "correct horse battery"


def answered(response, status):
    assert response.status_code == status, response
    return response.parsed


def person(name):
    """Signs up, signs in anew, and gives a client that acts for the account."""
    anyone = Client(base_url=URL)
    email = f"{name}@generated.example"
    answered(sign_up.sync_detailed(client=anyone, body=NewAccount(email=email, password=PASSWORD)), 201)
    credentials = Credentials(email=email, password=PASSWORD)
    signed_in = sign_in.sync_detailed(client=anyone, body=credentials)
    answered(signed_in, 200)
    token = signed_in.headers["set-cookie"].split(";")[0].partition("=")[2]
    client = AuthenticatedClient(base_url=URL, token=token)
    who = answered(get_current_user.sync_detailed(client=client), 200)
    assert who.current_user.email == email, who
    return client


seller, buyer = person("seller"), person("buyer")

draft = TicketDraft(title="Generated Concert", price=25.5)
ticket = answered(create_ticket.sync_detailed(client=seller, body=draft, idempotency_key="once"), 201)
again = create_ticket.sync_detailed(client=seller, body=draft, idempotency_key="once")
assert answered(again, 201).id == ticket.id and again.headers["idempotency-replayed"] == "true"

answered(change_ticket.sync_detailed(ticket.id, client=seller, body=TicketChanges(price=30)), 200)
draft = TicketDraft(title="Generated Concert", price=31.25)
answered(replace_ticket.sync_detailed(ticket.id, client=seller, body=draft, if_match='"1"'), 200)
shown = answered(get_ticket.sync_detailed(ticket.id, client=seller), 200)
assert (shown.price, shown.version) == (31.25, 2), shown
listed = answered(list_tickets.sync_detailed(client=buyer, q="generated"), 200)
assert [one.id for one in listed] == [ticket.id], listed

order = answered(create_order.sync_detailed(client=buyer, body=OrderDraft(ticket_id=ticket.id)), 201)
paid = answered(
    pay_order.sync_detailed(client=buyer, body=PaymentDraft(order_id=order.id, token="tok_visa")), 201
)
assert answered(get_payment.sync_detailed(paid.id, client=buyer), 200).status == "Completed"
assert answered(get_order.sync_detailed(order.id, client=buyer), 200).status == "Completed"
assert answered(get_ticket_sale.sync_detailed(ticket.id, client=seller), 200).order_id == order.id

other = answered(create_ticket.sync_detailed(client=seller, body=draft), 201)
order = answered(create_order.sync_detailed(client=buyer, body=OrderDraft(ticket_id=other.id)), 201)
answered(cancel_order.sync_detailed(order.id, client=buyer), 204)
statuses = [one.status for one in answered(list_orders.sync_detailed(client=buyer), 200)]
assert statuses == ["Cancelled", "Completed"], statuses
answered(withdraw_ticket.sync_detailed(other.id, client=seller), 204)
answered(get_ticket.sync_detailed(other.id, client=seller), 404)

answered(sign_out.sync_detailed(client=buyer), 200)
answered(list_orders.sync_detailed(client=buyer), 401)
print("the generated client trades")
