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

    /// <exception cref="CryptographicException">A PEM file is none, or holds what does not
    /// fit.</exception>
    public static SocketsHttpHandler Handler(PortmapFleetOptions options)
    {
        X509Certificate2Collection? authorities = options.AuthorityFile is { } file ? Authorities(file) : null;
        X509Certificate2? own = options.CertificateFile is { } certificate ? Own(certificate, options.KeyFile) : null;
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
        if (authorities is not null)
        {
            X509ChainPolicy policy = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            policy.CustomTrustStore.AddRange(authorities);
            tls.CertificateChainPolicy = policy;
        }

        if (own is not null)
        {
            tls.ClientCertificates = [own];
            // Etcd names the authorities it accepts, not always ours.
            tls.LocalCertificateSelectionCallback = (_, _, _, _, _) => own;
        }

        return handler;
    }

    private static X509Certificate2Collection Authorities(string file)
    {
        X509Certificate2Collection found = [];
        try
        {
            found.ImportFromPemFile(file);
        }
        catch (CryptographicException exception)
        {
            throw new CryptographicException($"AuthorityFile is '{file}', in which a certificate cannot be read ({exception.Message}); name a file of certificates in PEM.", exception);
        }

        return found.Count != 0 ? found
            : throw new CryptographicException($"AuthorityFile is '{file}', in which there is no certificate in PEM, so that no member of etcd could be trusted.");
    }

    private static X509Certificate2 Own(string certificate, string? key)
    {
        try
        {
            return X509Certificate2.CreateFromPemFile(certificate, key ?? certificate);
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException)   // of a key of another pair it throws the one or the other
        {
            string where = key is null ? "KeyFile is not set, so that its key has to be in the same file" : $"KeyFile is '{key}'";
            throw new CryptographicException($"CertificateFile is '{certificate}' and {where}: that is no certificate with its own key ({exception.Message}); name both in PEM, and the key without a password.", exception);
        }
    }
}
