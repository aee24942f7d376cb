using System.Diagnostics;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Portmap;
using Portmap.AspNetCore;
using Portmap.Hosting;

return args switch
{
    ["daemon", string endpoint, string ports] => await DaemonAsync(endpoint, ports),
    ["web"] => await WebAsync(),
    _ => 2,
};

static async Task<int> DaemonAsync(string endpoint, string ports)
{
    HostApplicationBuilder builder = Host.CreateApplicationBuilder();
    builder.Logging.ClearProviders();
    builder.Services.AddPortmap(options => (options.Ports, options.Strategy) = (ports, "AllocatorPicks"));
    builder.Services.AddPortmapServer(options => options.Endpoints.Add(endpoint));
    builder.Services.AddHealthChecks().AddPortmap();
    using IHost host = builder.Build();
    await host.StartAsync();
    HealthReport health = await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync();
    Console.WriteLine($"health: {health.Status}");

    PortRegistry registry = host.Services.GetRequiredService<PortRegistry>();
    PortLease lease = await registry.AcquireAsync("web");
    ProcessStartInfo start = new(Environment.ProcessPath!, ["web"]) { RedirectStandardInput = true };
    lease.PrepareStart(start);
    using Process web = Process.Start(start)!;
    PortEntry entry = await lease.WhenBound.WaitAsync(TimeSpan.FromSeconds(30));
    using HttpClient client = new();
    Console.WriteLine($"answer: {await client.GetStringAsync($"http://127.0.0.1:{entry.Port}/")}");

    web.StandardInput.Close();
    await web.WaitForExitAsync();
    Console.WriteLine($"exit code {web.ExitCode}, still listed: {registry.TryGetPort("web", out _)}");
    await host.StopAsync();
    return 0;
}

static async Task<int> WebAsync()
{
    WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
    builder.Logging.ClearProviders();
    builder.WebHost.UsePortmap();
    WebApplication app = builder.Build();
    app.MapGet("/", () => "this is web");
    await app.StartAsync();
    await Console.In.ReadToEndAsync();
    await app.StopAsync();
    return 0;
}
