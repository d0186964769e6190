"""``/firmware-images/``: bringing images in by upload or by address, and taking them back."""

import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.errors import TooLarge
from portal.api.parsers import JsonParser
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_etag
from portal.api.searching import Search
from stations.domain.secrecy import masked_address
from stations.models import FirmwareImage
from stations.services import firmware_fetching, firmware_images

FORM_BYTES = 65_536
EXAMPLE = {
    "url": "https://firmware.example.org/ac22-2.0.bin",
    "version": "2.0",
    "vendor": "Acme",
    "model": "AC22",
    "from_versions": ["1.4", "1.5"],
}


AS_A_FORM = {"file": "the bytes of the file", "version": "1.5.0", "vendor": "Acme"}


class ImageBody(StrictSerializer):
    file = serializers.FileField(required=False, allow_empty_file=True, help_text="As multipart/form-data")
    url = serializers.CharField(
        max_length=2000, required=False, help_text="Instead of the file: fetched and kept by the portal"
    )
    name = serializers.CharField(max_length=100, required=False, allow_blank=True)
    version = serializers.CharField(max_length=50, help_text="What a station reports once it runs the image")
    vendor = serializers.CharField(
        max_length=50, required=False, allow_blank=True, help_text="As stations report it; empty: any"
    )
    model = serializers.CharField(max_length=50, required=False, allow_blank=True)
    from_versions = serializers.ListField(
        child=serializers.CharField(max_length=50),
        required=False,
        max_length=firmware_images.FROM_VERSIONS_MOST,
        help_text="Only for stations that run one of these; empty: any",
    )
    signature = serializers.CharField(max_length=2000, required=False, help_text="Base64, over the SHA-256")
    signing_certificate = serializers.CharField(
        max_length=8000, required=False, trim_whitespace=False, help_text="PEM"
    )

    def validate(self, attrs: Any) -> Any:
        if ("file" in attrs) == ("url" in attrs):
            raise serializers.ValidationError({"file": "Give the file or its address."})
        return attrs


class ImageChange(StrictSerializer):
    """What stations get and which ones stays as it was planned and approved: add another image for that."""

    name = serializers.CharField(max_length=100, allow_blank=True)


class ImageView(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    version = serializers.CharField()
    vendor = serializers.CharField()
    model = serializers.CharField()
    from_versions = serializers.ListField(child=serializers.CharField())
    state = serializers.ChoiceField(
        FirmwareImage.State.values, help_text="Only `ready` images go to stations"
    )
    detail = serializers.CharField(help_text="Why it is not ready")
    filename = serializers.CharField()
    size = serializers.IntegerField(source="size_bytes", allow_null=True, help_text="Bytes")
    sha256 = serializers.CharField()
    md5 = serializers.CharField()
    url = serializers.SerializerMethodField(help_text="Where it came from, without what is secret in it")
    signature = serializers.CharField()
    signing_certificate = serializers.CharField()
    certificate_ends_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    retired_at = serializers.DateTimeField(allow_null=True)

    def get_url(self, image: FirmwareImage) -> str:
        return masked_address(image.source_url)


class ImageFilter(filters.FilterSet):
    retired = filters.BooleanFilter(field_name="retired_at", lookup_expr="isnull", exclude=True)
    search = Search("name", "version", "vendor", "model")

    class Meta:
        model = FirmwareImage
        fields = ["version", "vendor", "model", "state", "sha256"]


class ImageList(ListResource):
    """The organization's firmware images."""

    scopes = {"read": "firmware:read", "write": "firmware:write"}
    serializer_class = ImageView
    filter_class = filterset_class = ImageFilter
    parser_classes = (JsonParser, MultiPartParser)

    def read_body(self, request: Request) -> None:
        """A form is read by its parser, the file to the disk; what is announced as too large not at all."""
        if not _is_form(request):
            super().read_body(request)
        elif _announced(request) > settings.FIRMWARE_MAX_BYTES + FORM_BYTES:
            raise TooLarge(f"An image has at most {settings.FIRMWARE_MAX_BYTES} bytes.")

    def rows(self) -> QuerySet[FirmwareImage]:
        return FirmwareImage.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_firmware_images", responses=ImageView(many=True))
    def get(self, request: Request) -> Any:
        """List the firmware images, newest first, retired ones included."""
        return self.listing()

    @extend_schema(
        operation_id="create_firmware_image",
        request={"application/json": ImageBody, "multipart/form-data": ImageBody},
        responses={201: ImageView},
        examples=[
            OpenApiExample("From an address", EXAMPLE, request_only=True),
            OpenApiExample("As a form", AS_A_FORM, request_only=True, media_type="multipart/form-data"),
        ],
    )
    def post(self, request: Request) -> Response:
        """Add an image: the file in a form, or as JSON the address that the portal fetches it from.

        An uploaded file is checked before the answer: size, hash, and the signature where one is given. One
        that is fetched is `fetching` first; its state tells when it is `ready`, or why it `failed`.
        """
        return self.once(self._create, apart=True)

    def _create(self) -> Response:
        values = self.body(ImageBody)
        file, url = values.pop("file", None), values.pop("url", "")
        if file is None:
            image = firmware_fetching.request(url, values, by=self.actor)
        else:
            image = firmware_images.add(file, file.name, values, by=self.actor)
        return Response(
            self.represent(image), status=201, headers={"Location": f"/api/v1/firmware-images/{image.pk}/"}
        )

    def body_digest(self) -> bytes:
        """Of a form: its fields and the file's content, whatever lies between them."""
        if not _is_form(self.request):
            return super().body_digest()
        told = hashlib.sha256()
        for name, values in sorted(self.request.data.lists()):
            for value in values:
                told.update(f"{name}\x00".encode())
                told.update(_digest_of(value))
        return told.digest()


class ImageDetail(Resource):
    """One firmware image."""

    scopes = {"read": "firmware:read", "write": "firmware:write"}
    serializer_class = ImageView

    def _image(self, pk: UUID) -> FirmwareImage:
        image: FirmwareImage = found(FirmwareImage.objects.visible_to(self.actor), pk)
        return image

    @extend_schema(operation_id="get_firmware_image")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a firmware image."""
        return with_etag(request, self.represent(self._image(pk)), ImageChange)

    @extend_schema(operation_id="replace_firmware_image", request=ImageChange)
    def put(self, request: Request, pk: UUID) -> Response:
        """Replace what can be written of an image, which is its name."""
        image = self._image(pk)
        return self._rename(image, self.replacement(ImageChange, self.represent(image)))

    @extend_schema(operation_id="change_firmware_image", request=ImageChange)
    def patch(self, request: Request, pk: UUID) -> Response:
        """Change the name of an image."""
        return self._rename(self._image(pk), self.body(ImageChange, partial=True))

    def _rename(self, image: FirmwareImage, values: Mapping[str, Any]) -> Response:
        renamed = firmware_images.rename(image, values.get("name", image.name), by=self.actor)
        return with_etag(self.request, self.represent(renamed), ImageChange)

    @extend_schema(operation_id="retire_firmware_image", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Retire an image: no station gets it any more, rollouts of it stop. Its row is kept."""
        firmware_images.retire(self._image(pk), by=self.actor)
        return Response(status=204)


def _is_form(request: Request) -> bool:
    return (request.content_type or "").startswith("multipart/form-data")


def _digest_of(value: Any) -> bytes:
    if not isinstance(value, UploadedFile):
        return hashlib.sha256(str(value).encode()).digest()
    found = hashlib.sha256()
    for piece in value.chunks():
        found.update(piece)
    value.seek(0)
    return found.digest()


def _announced(request: Request) -> int:
    length = str(request.META.get("CONTENT_LENGTH") or "")
    if not length.isdecimal():
        raise ValidationError({"file": "Send the length of the form with it (Content-Length)."})
    return int(length)
