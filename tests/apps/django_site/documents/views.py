import hashlib

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.files.storage import default_storage
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render


def index(request):
    return HttpResponse("Hello from Django at {}".format(request.build_absolute_uri()), content_type="text/plain")


@login_required
def upload(request):
    if request.method == "GET":
        return render(request, "upload.html")
    file = request.FILES["document"]
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    name = default_storage.save(file.name, file)
    return JsonResponse({"name": name, "size": file.size, "digest": digest.hexdigest(), "title": request.POST["title"],
                         "user": request.user.get_username()})


@login_required
def download(request, name):
    return FileResponse(open(settings.MEDIA_ROOT / name, "rb"), as_attachment=True)


def stream(request):
    return StreamingHttpResponse(("line {}\n".format(number) for number in range(1000)), content_type="text/plain")


def broken(request):
    raise RuntimeError("a view that fails")
