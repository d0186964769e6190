"""OCPP 2.1 at the door: the difference to 2.0.1.

Longer tokens of open types, further measurands and trigger reasons are data to the handlers of 2.0.1; what
this version adds to its messages (costs, limits, severity) is accepted by its schemas.
"""

from stations.domain import intents
from stations.ocpp import v201
from stations.ocpp.routing import Decided, Outbound, Routes
from stations.ocpp.v21 import certificates, outbound

ROUTES: Routes = {
    **v201.ROUTES,
    "Get15118EVCertificate": Decided(certificates.ev_certificate),
    "GetCertificateChainStatus": Decided(certificates.chain_status),
    "GetCertificateStatus": Decided(certificates.certificate_status),
}

OUTBOUND: Outbound = {
    **v201.OUTBOUND,
    intents.GetInstalledCertificates: certificates.get_installed,
    intents.GetLog: certificates.get_log,
    intents.InstallCertificate: certificates.install_certificate,
    intents.RenewCertificate: certificates.renew_certificate,
    intents.RequestStartTransaction: outbound.request_start,
    intents.SendSignedCertificate: certificates.certificate_signed,
}

ABSORB = v201.ABSORB

interpret = v201.interpret
