"""A Stripe that misbehaves on request. A test tool, run as a process of its own.

localstripe keeps the objects. Added here: Stripe's idempotency keys (stored errors included), its
refusals, test cards by name and by token, 3-D Secure, disputes, signed webhooks sent when the test
wants them, and faults that strike one step at a time:

    drop_before  the connection breaks and nothing is done      500_before  500, nothing done
    drop_after   it is done and the connection breaks           500_after   done, answered 500
    500_stored   nothing is done, and the key repeats the 500   429, html502, delay, hang

Refunds stand as the test says when they are made, and become what it says later: pending ones that
succeed, and those that the bank sends back.

Control: POST /_test/fault, /_test/webhooks, /_test/dispute, /_test/refunds, /_test/refund,
/_test/authenticate; GET /_test/ledger, /_test/requests, /_test/events.
"""
import argparse
import asyncio
import hashlib
import json
import time

from aiohttp import web
from localstripe import resources, server, webhooks
from localstripe.errors import UserError

Intent, Charge, Refund = resources.PaymentIntent, resources.Charge, resources.Refund

# ---------------------------------------------------------------- cards
CARDS = {
    'visa': '4242424242424242',
    'chargeDeclined': '4000000000000002',
    'chargeDeclinedInsufficientFunds': '4000000000009995',
    'authenticationRequired': '4000002760003184',
}
DECLINES = {'4000000000000002': 'generic_decline', '4000000000009995': 'insufficient_funds'}
resources.Store.dump_to_disk = lambda self: None
resources.PaymentMethod._charging_is_declined = lambda self: self._card_number in DECLINES


def card_by_name(cls, name):
    """pm_card_visa and its like are there without being made."""
    number = CARDS.get(name.removeprefix('pm_card_').removeprefix('visa_'))
    if number is None or not name.startswith('pm_card_'):
        return None
    slot = 'payment_method:' + name
    if slot not in resources.store:
        card = dict(number=number, exp_month='12', exp_year='2040', cvc='123')
        made = resources.PaymentMethod(type='card', card=card)
        del resources.store['payment_method:' + made.id]
        made.id = name
        resources.store[slot] = made
    return resources.store[slot]


resources.PaymentMethod._try_get_canonical_test_article = classmethod(card_by_name)


# ---------------------------------------------------------------- shapes
def refusal(self):
    kind = 'card_error' if self.code == 402 else 'invalid_request_error'
    self.body['error'].setdefault('type', kind)
    if self.code == 404:
        self.body['error'].setdefault('code', 'resource_missing')
    return server.json_response(self.body, status=self.code)


UserError.to_response = refusal
plain_intent, plain_charge = Intent._export, Charge._export
disputes = {}  # by intent


def export_intent(self, expand=None):
    shown = plain_intent(self, expand=expand)
    for gone in ('charges', 'invoice'):
        shown.pop(gone, None)
    if not (expand and 'latest_charge' in expand):
        shown['latest_charge'] = self.latest_charge.id if self.latest_charge else None
    shown['payment_method_types'] = ['card']
    error = shown.get('last_payment_error')
    if error:
        error['type'] = 'card_error'
        if error.get('code') == 'card_declined':
            error['decline_code'] = decline_of(self)
    return shown


def export_charge(self, expand=None):
    shown = plain_charge(self, expand=expand)
    shown['disputed'] = self.payment_intent in disputes
    return shown


def decline_of(intent):
    card = resources.store.get('payment_method:%s' % intent.payment_method)
    return DECLINES.get(getattr(card, '_card_number', None), 'generic_decline')


Intent._export, Charge._export = export_intent, export_charge


# ---------------------------------------------------------------- behaviour
def unexpected_state(intent):
    raise UserError(400, "This PaymentIntent's status is %s." % intent.status,
                    {'code': 'payment_intent_unexpected_state', 'payment_intent': intent._export()})


plain_init = Intent.__init__


def init(self, allowed_payment_method_types=None, **params):
    assert allowed_payment_method_types == ['card'], allowed_payment_method_types
    plain_init(self, **params)
    event('payment_intent.created', self)


Intent.__init__ = init
plain_confirm, plain_cancel, plain_capture, plain_authenticate = (
    f.__func__ for f in (Intent._api_confirm, Intent._api_cancel, Intent._api_capture,
                         Intent._api_authenticate))


def confirm(cls, id, payment_method=None, payment_method_data=None, use_stripe_sdk=None):
    intent = cls._api_retrieve(id)
    if intent.status in ('succeeded', 'requires_capture', 'canceled', 'requires_action'):
        unexpected_state(intent)
    if payment_method_data:
        token = payment_method_data['card']['token']
        payment_method = 'pm_card_' + token.removeprefix('tok_')
    resources.PaymentMethod._api_retrieve(payment_method)
    intent.payment_method, intent.latest_charge = payment_method, None
    plain_confirm(cls, id)
    if intent.status == 'requires_capture':
        event('payment_intent.amount_capturable_updated', intent)
    return intent


def cancel(cls, id):
    intent = cls._api_retrieve(id)
    if intent.status in ('succeeded', 'canceled', 'processing'):
        unexpected_state(intent)
    plain_cancel(cls, id)
    event('payment_intent.canceled', intent)
    return intent


def capture(cls, id):
    intent = cls._api_retrieve(id)
    if intent.status != 'requires_capture':
        unexpected_state(intent)
    return plain_capture(cls, id)


def authenticate(cls, id, client_secret=None, success=False):
    intent = plain_authenticate(cls, id, client_secret=client_secret, success=success)
    if intent.status == 'requires_capture':
        event('payment_intent.amount_capturable_updated', intent)
    else:
        event('payment_intent.payment_failed', intent)
    return intent


changed = {'/confirm': confirm, '/cancel': cancel, '/capture': capture,
           '/_authenticate': authenticate}
for path, function in changed.items():
    setattr(Intent, '_api' + path.replace('/_', '/').replace('/', '_'), classmethod(function))


def raise_failure(self):
    intent = resources.store.get('payment_intent:%s' % self.payment_intent)
    raise UserError(402, self.failure_message, {
        'type': 'card_error', 'code': self.failure_code, 'decline_code': decline_of(intent),
        'payment_intent': intent._export()})


Charge._raise_failure = raise_failure
plain_refund = Refund.__init__
refunds = {'begin_as': 'succeeded'}


def comes_to_something(refund):
    return refund.status not in ('failed', 'canceled')


Charge.amount_refunded = property(
    lambda self: sum(r.amount for r in self.refunds._list if comes_to_something(r)))


def refund(self, charge=None, payment_intent=None, amount=None, **params):
    if payment_intent:
        charge = Intent._api_retrieve(payment_intent).latest_charge.id
    paid = Charge._api_retrieve(charge)
    if not paid.captured or paid.amount_refunded + int(amount or paid.amount) > paid.amount:
        raise UserError(400, 'Nothing is left to refund.', {'code': 'charge_already_refunded'})
    plain_refund(self, charge=charge, amount=amount, **params)
    self.payment_intent = paid.payment_intent
    self.status, self.failure_reason = refunds['begin_as'], None
    event('refund.created', self)
    event('charge.refunded', paid)


Refund.__init__ = refund


# ---------------------------------------------------------------- webhooks
hook = {'url': None, 'secret': '', 'copies': 1}
events = []


def event(kind, obj):
    webhooks.schedule_webhook(resources.Event(kind, obj))


def schedule(happened):
    payload = json.dumps(happened._export()).encode()
    events.append(payload.decode())
    if hook['url']:
        asyncio.ensure_future(deliver(payload))


async def deliver(payload):
    import aiohttp
    import hmac
    for _ in range(hook['copies']):
        for attempt in range(20):
            now = int(time.time())
            signed = hmac.new(hook['secret'].encode(), b'%d.%s' % (now, payload), hashlib.sha256)
            headers = {'content-type': 'application/json',
                       'stripe-signature': 't=%d,v1=%s' % (now, signed.hexdigest())}
            try:
                async with aiohttp.ClientSession() as session:
                    async with session.post(hook['url'], data=payload, headers=headers) as answer:
                        if answer.status == 200:
                            break
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.3)


webhooks.schedule_webhook = resources.schedule_webhook = schedule

# ---------------------------------------------------------------- keys and faults
stored, faults, requests = {}, [], []


def step_of(request):
    if request.method == 'GET':
        return 'retrieve'
    tail = request.path.rsplit('/', 1)[-1]
    return {'payment_intents': 'create', 'refunds': 'refund'}.get(tail, tail)


def error(status, message, **details):
    details.setdefault('type', 'api_error')
    return server.json_response({'error': dict(details, message=message)}, status=status)


async def answer_once(request, handler, fault):
    """What Stripe does with an idempotency key: the first answer is the answer."""
    key = request.headers.get('idempotency-key')
    if request.method != 'POST' or not key:
        return await handler(request)
    body = await request.read()
    fingerprint = hashlib.sha256(request.path.encode() + b'\0' + body).hexdigest()
    if key in stored:
        known, status, saved = stored[key]
        if known != fingerprint:
            return error(400, 'Another request has this key.', type='idempotency_error')
        if status is None:
            return error(409, 'In progress.', type='idempotency_error')
        return web.Response(status=status, body=saved, content_type='application/json',
                            headers={'idempotent-replayed': 'true'})
    stored[key] = (fingerprint, None, None)
    if fault == '500_stored':
        answer = error(500, 'injected, and stored')
    else:
        answer = await handler(request)
    if answer.status in (401, 409, 429):
        del stored[key]
    else:
        stored[key] = (fingerprint, answer.status, answer.body)
    return answer


@web.middleware
async def misbehave(request, handler):
    if request.path.startswith('/_test/'):
        return await handler(request)
    step = step_of(request)
    requests.append(step)
    fault = next((f for f in faults if f['step'] in (step, 'any')), None)
    kind = fault['kind'] if fault else None
    if fault:
        fault['times'] -= 1
        if fault['times'] <= 0:
            faults.remove(fault)
    if kind == 'drop_before':
        request.transport.close()
        return web.Response()
    if kind == '500_before':
        return error(500, 'injected')
    if kind == '429':
        return error(429, 'slow down', type='rate_limit_error')
    if kind == 'html502':
        return web.Response(status=502, text='<html>bad gateway</html>', content_type='text/html')
    if kind == 'delay':
        await asyncio.sleep(fault['ms'] / 1000)
    answer = await answer_once(request, handler, kind)
    if kind == 'hang':
        await asyncio.sleep(fault['ms'] / 1000)
    if kind == 'drop_after':
        request.transport.close()
    if kind == '500_after':
        return error(500, 'injected after it was done')
    return answer


@web.middleware
async def authenticate_request(request, handler):
    if request.path.startswith('/_test/'):
        return await handler(request)
    return await server.auth_middleware(request, handler)


# ---------------------------------------------------------------- control
async def add_fault(request):
    faults.append({'times': 1, 'ms': 1500, **await request.json()})
    return web.json_response({})


async def set_webhooks(request):
    hook.update(await request.json())
    return web.json_response({})


async def add_dispute(request):
    wanted = await request.json()
    disputes[wanted['intent']] = wanted['status']
    intent = Intent._api_retrieve(wanted['intent'])
    event('charge.dispute.created', intent.latest_charge)
    return web.json_response({})


async def set_refunds(request):
    refunds.update(await request.json())
    return web.json_response({})


async def change_refund(request):
    """The bank has looked at the latest refund of an intent."""
    wanted = await request.json()
    found = [o for k, o in resources.store.items()
             if k.startswith('refund:') and o.payment_intent == wanted['intent']][-1]
    found.status, found.failure_reason = wanted['status'], wanted['reason'] or None
    event('refund.failed' if found.status == 'failed' else 'refund.updated', found)
    event('charge.refund.updated', found)
    return web.json_response({})


async def list_disputes(request):
    status = disputes.get(request.query['payment_intent'])
    data = [{'id': 'dp_1', 'object': 'dispute', 'status': status}] if status else []
    return web.json_response({'object': 'list', 'data': data})


async def ledger(request):
    all_refunds = [o for k, o in resources.store.items() if k.startswith('refund:')]
    shown = []
    for key, intent in resources.store.items():
        if key.startswith('payment_intent:'):
            made = [r for r in all_refunds if r.payment_intent == intent.id]
            live = [r for r in made if comes_to_something(r)]
            shown.append({
                'id': intent.id, 'status': intent.status, 'amount': intent.amount,
                'currency': intent.currency, 'charge_id': intent.metadata.get('charge_id'),
                'order_id': intent.metadata.get('order_id'),
                'client_secret': intent.client_secret,
                'attempts': len(made),
                'refunds': len(live), 'refunded': sum(r.amount for r in live)})
    return web.json_response(shown)


async def list_requests(request):
    return web.json_response(requests)


async def list_events(request):
    return web.json_response(events)


def application():
    app = web.Application(
        middlewares=[misbehave, server.error_middleware, authenticate_request])
    for method, url, function in resources.extra_apis:
        for path in changed:
            if url == '/v1/payment_intents/{id}' + path:
                function = getattr(
                    Intent, '_api' + path.replace('/_', '/').replace('/', '_'))
        app.router.add_route(method, url, server.api_extra(function, url))
    for cls in (Charge, Intent, resources.PaymentMethod, Refund):
        url = '/v1/%ss' % cls.object
        app.router.add_route('POST', url, server.api_create(cls, url))
        app.router.add_route('GET', url, server.api_list_all(cls, url))
        app.router.add_route('GET', url + '/{id}', server.api_retrieve(cls, url))
    app.router.add_get('/v1/disputes', list_disputes)
    app.router.add_post('/_test/refunds', set_refunds)
    app.router.add_post('/_test/refund', change_refund)
    app.router.add_post('/_test/fault', add_fault)
    app.router.add_post('/_test/webhooks', set_webhooks)
    app.router.add_post('/_test/dispute', add_dispute)
    app.router.add_get('/_test/ledger', ledger)
    app.router.add_get('/_test/requests', list_requests)
    app.router.add_get('/_test/events', list_events)
    return app


async def serve(port):
    runner = web.AppRunner(application())
    await runner.setup()
    site = web.TCPSite(runner, '127.0.0.1', port)
    await site.start()
    print('listening', site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == '__main__':
    arguments = argparse.ArgumentParser()
    arguments.add_argument('--port', type=int, default=0)
    asyncio.run(serve(arguments.parse_args().port))
