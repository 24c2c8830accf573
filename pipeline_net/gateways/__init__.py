"""Gateways: stages that let somebody else answer: applications of ASGI 3 and WSGI, and other servers.

::

    pipeline-net asgi module:app            pipeline-net wsgi module:app

    from pipeline_net.gateways.asgi_server import run_asgi, serve_asgi       # Starlette, FastAPI, Quart, Django
    from pipeline_net.gateways.wsgi_server import run_wsgi                   # Django, Flask, Bottle

    asgi           AsgiHandler, asgi_stack(): a request becomes a call of the application
    asgi_exchange  one request and its response: HTTP ⇄ messages of ASGI, without waiting
    asgi_call      receive() and send(), which wait; what becomes of exceptions
    asgi_websocket one WebSocket: the same for connections that stay
    asgi_scope     what an application is told of a request
    asgi_tasks     the coroutine begins at once, as a real task
    asgi_site      the application on one loop: its state, its tasks, its calls
    lifespan       startup and shutdown
    asgi_server    serve_asgi(), run_asgi(): the whole server
    wsgi           WsgiHandler, wsgi_stack(): a request becomes a call on a thread of a pool
    wsgi_exchange  one call: start_response(), what the application returns, and its files
    wsgi_input     wsgi.input; wsgi_reply: the way back to the loop; wsgi_environ: the environ
    wsgi_server    run_wsgi(): the whole server
    serving        ServingOptions: what both kinds of servers have in common
    gateway_stack  what is below all of these handlers
    connection     who talks to whom, for whom a proxy asks; response_head: status and headers of applications
    proxy/         a reverse proxy: what is called is another server
    errors         what applications get

Whose X-Forwarded-For is believed, ``pipeline_net.codecs.http.TrustedProxies`` knows.

Nothing is imported here: who serves WSGI needs no asyncio, and who serves ASGI no pool of threads.
"""
