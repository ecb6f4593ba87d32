from django.contrib import admin
from django.urls import path

from documents import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", views.index),
    path("upload/", views.upload),
    path("download/<str:name>/", views.download),
    path("stream/", views.stream),
    path("broken/", views.broken),
]
