using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Portmap.Etcd.Connecting;

/// <summary>The way to a member: HTTP/2 with signs of life, and TLS as the options say.</summary>
internal static class EtcdTls
{
    // Not below 5 s: etcd closes connections that ping more often (--grpc-keepalive-min-time).
    private static readonly TimeSpan s_pingDelay = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_pingTimeout = TimeSpan.FromSeconds(5);

    public static SocketsHttpHandler Handler(PortmapFleetOptions options)
    {
        SocketsHttpHandler handler = new()
        {
            ConnectTimeout = options.RequestTimeout,
            EnableMultipleHttp2Connections = true,
            KeepAlivePingDelay = s_pingDelay,
            KeepAlivePingTimeout = s_pingTimeout,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            UseProxy = false,
        };
        SslClientAuthenticationOptions tls = handler.SslOptions;
        if (options.AuthorityFile is { } authorities)
        {
            X509ChainPolicy policy = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            policy.CustomTrustStore.ImportFromPemFile(authorities);
            if (policy.CustomTrustStore.Count == 0)
            {
                handler.Dispose();
                throw new CryptographicException($"AuthorityFile is '{authorities}', in which there is no certificate in PEM, so that no member of etcd could be trusted.");
            }

            tls.CertificateChainPolicy = policy;
        }

        if (options.CertificateFile is { } certificate)
        {
            X509Certificate2 own = X509Certificate2.CreateFromPemFile(certificate, options.KeyFile ?? certificate);
            tls.ClientCertificates = [own];
            // Etcd names the authorities it accepts, not always ours.
            tls.LocalCertificateSelectionCallback = (_, _, _, _, _) => own;
        }

        return handler;
    }
}
