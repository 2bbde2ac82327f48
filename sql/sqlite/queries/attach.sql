-- Opens another file on this connection. Its tables keep their names.
-- Parameters: :uri (a URI file name: file:…?mode=ro)
ATTACH DATABASE :uri AS attached;
