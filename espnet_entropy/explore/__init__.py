"""A local web page to play with: a sound, a rate, and where segments start.

`engine.py` computes, `words.py` aligns text, `server.py` answers the page, `guard.py` refuses what
does not come from it; `page.html`, `page.css` and five scripts are the page.
"""
