"""The queue through Redis Streams: any number of API and worker processes, on any number of machines.

The API process holds each request and its deadline; Redis is only transport, and nothing in it has to survive.

    API process                          Redis                              worker process
    RedisQueue ── enqueue.lua ──▶  {ns}:q:<digest>, {ns}:b:<digest>  ── XREADGROUP ──▶ RedisSource
        ▲                                                                                 │
        └──── Inbox ◀── XREAD ───  {ns}:r:<API process>  ◀── settle.lua ──────────────────┘

Delivery to workers is at least once: an entry whose worker falls silent for a lease is taken over by another. The
answer is at most once: the first acknowledgement wins, and only it writes a reply. Predicting is pure, so that a
second run is nothing but waste. Time is the server's alone: an entry's id is when it was added, its `ttl` how long it
is wanted.

    keys, wire, scripts        names, bytes, Lua
    connection, channel, link  explicit client settings; commands in one write, replies in order
    writer                     every command of one turn of the event loop, in one write
    faults, checks             what each failure means; what the server must be like
    inbox, enqueuing, feed, requests, api_side    the asking end
    source, holdings, entry_reader, takeover, graveyard, heartbeat, worker_side    the computing end
"""
