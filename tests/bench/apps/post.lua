-- wrk: the POST request of the case "post"
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
wrk.body = string.rep("name=value&", 93)
