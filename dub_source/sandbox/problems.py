"""Every error answer of the sandbox: codes, statuses and Dub's own sentences."""

_STATUS = {
    "bad_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "exceeded_limit": 403,
    "not_found": 404,
    "conflict": 409,
    "invite_pending": 409,
    "invite_expired": 410,
    "unprocessable_entity": 422,
    "rate_limit_exceeded": 429,
    "internal_server_error": 500,
}
_DOCUMENTATION = "https://dub.co/docs/api-reference/errors"

CUSTOMER_NOT_FOUND = (
    "Customer not found. Make sure you're using the correct customer ID "
    "(e.g. `cus_3TagGjzRzmsFJdH8od2BNCsc`) or external ID (has to be prefixed with `ext_`)."
)
DUPLICATE = "A customer with this external ID already exists."
INVALID_JSON = "Invalid JSON format in request body. Please ensure the request body is a valid JSON object."
INTERNAL = "An internal server error occurred. Please contact our support if the problem persists."


def code_of(status: int) -> str:
    """The code that goes with a status: the first of those that share it."""
    return next((code for code, number in _STATUS.items() if number == status), "internal_server_error")


class Problem(Exception):
    """An answer that is an error: ``code`` decides the status, ``message`` is shown as it is."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status of this code."""
        return _STATUS[self.code]

    @property
    def body(self) -> dict[str, object]:
        """What Dub answers, as JSON."""
        # Dub replaces only the first underscore, so 429 links to "#rate-limit_exceeded".
        link = f"{_DOCUMENTATION}#{self.code.replace('_', '-', 1)}"
        return {"error": {"code": self.code, "message": self.message, "doc_url": link}}


def invalid(message: str) -> Problem:
    """A 422 with this sentence."""
    return Problem("unprocessable_entity", message)
