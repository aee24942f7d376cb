// A web worker as its author writes it, for tests to start, stop and kill: one call makes it a
// worker of the port map.
//   Portmap.Kestrel http1|http2|https [second owner]
//   Portmap.Kestrel http1|http2|https --names NAME...
//   Portmap.Kestrel http1 --handle      descriptor 3 listens, as systemd's protocol says
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Portmap.AspNetCore;
using Portmap.Kestrel;

WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
builder.Logging.ClearProviders().AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
builder.WebHost.UseKestrelHttpsConfiguration();
builder.Services.AddGrpc();
if (args is [_, "--handle"])
{
    if (Environment.GetEnvironmentVariable("LISTEN_PID") != $"{Environment.ProcessId}")
    {
        throw new InvalidOperationException("No socket was passed to this process.");
    }

    builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenHandle(3, Listen));
}
else if (args is [_, "--names", .. var names])
{
    builder.WebHost.UsePortmap(names[0]);
    Array.ForEach(names[1..], name => builder.WebHost.UsePortmap(Listen, options => options.Name = name));
}
else
{
    builder.WebHost.UsePortmap(Listen, options => options.CheckInterval = TimeSpan.FromMilliseconds(200));
}

if (args.Length == 2 && args[1] != "--handle")
{
    builder.WebHost.UsePortmap(Listen, options => (options.Owner, options.Port, options.Epoch) = (args[1], 0, 0));
}

WebApplication app = builder.Build();
app.MapGet("/", (HttpContext http) => $"{Environment.GetEnvironmentVariable("PORTMAP_OWNER")} {Environment.ProcessId} {http.Request.Protocol} {http.Request.Scheme}");

// Begins its answer and ends it when a line comes in: a request is under way for as long as a test
// wants.
app.MapGet("/slow", async (HttpContext http) =>
{
    await http.Response.WriteAsync("first ");
    await http.Response.Body.FlushAsync();
    await Console.In.ReadLineAsync();
    await http.Response.WriteAsync("last");
});
app.MapGrpcService<TellerService>();

app.Lifetime.ApplicationStarted.Register(() => Console.WriteLine("listening " + string.Join(' ', Addresses())));
app.Lifetime.ApplicationStopping.Register(() => Console.WriteLine("stopping"));
await app.RunAsync();
return 0;

ICollection<string> Addresses() => app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;

void Listen(ListenOptions listen)
{
    listen.Protocols = args[0] switch { "http2" => HttpProtocols.Http2, "http1" => HttpProtocols.Http1, _ => HttpProtocols.Http1AndHttp2 };
    if (args[0] == "https")
    {
        listen.UseHttps(SelfSigned());
    }
}

static X509Certificate2 SelfSigned()
{
    using var key = RSA.Create(2048);
    CertificateRequest request = new("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
    return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
}
