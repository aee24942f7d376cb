using System.Net;
using Grpc.Net.Client;
using Portmap.Kestrel.Wire;

namespace Portmap.AspNetCore.Tests;

/// <summary>Clients of a Kestrel process, in each protocol it may speak.</summary>
internal static class HttpCalls
{
    /// <summary>Accepts the certificate that a test's server made for itself.</summary>
    public static HttpClient Client() => new(new SocketsHttpHandler
    {
#pragma warning disable CA5359 // a server of this test, on this host
        SslOptions = { RemoteCertificateValidationCallback = static (_, _, _, _) => true },
#pragma warning restore CA5359
    })
    {
        Timeout = Deadline.Default,
    };

    public static async Task<string> GetAsync(int port, string scheme = "http", Version? version = null)
    {
        using HttpClient client = Client();
        using HttpRequestMessage request = new(HttpMethod.Get, $"{scheme}://127.0.0.1:{port}/")
        {
            Version = version ?? HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        using HttpResponseMessage response = await client.SendAsync(request).Within();
        return await response.EnsureSuccessStatusCode().Content.ReadAsStringAsync().Within();
    }

    public static async Task<(string Owner, int ProcessId)> TellAsync(int port)
    {
        using var channel = GrpcChannel.ForAddress($"http://127.0.0.1:{port}");
        Answer answer = await new Teller.TellerClient(channel).TellAsync(new Question(), deadline: DateTime.UtcNow + Deadline.Default);
        return (answer.Owner, answer.ProcessId);
    }
}
