using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;

namespace Portmap.AspNetCore.Tests;

/// <summary>What a program may say to the one call.</summary>
public sealed class UsePortmapTests
{
    [Fact]
    public void UsePortmap_SameOwnerTwice_IsTold()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UsePortmap(configure: options => options.Owner = "web").UsePortmap(configure: options => options.Owner = "web/admin");

        Action again = () => builder.WebHost.UsePortmap(configure: options => options.Owner = "web");

        again.Should().Throw<InvalidOperationException>().WithMessage("*'web'*already*another owner*");
    }

    [Theory]
    [InlineData("web-admin")]
    [InlineData("")]
    public void UsePortmap_NameThatCannotBeAVariable_IsTold(string name)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();

        Action use = () => builder.WebHost.UsePortmap(name);

        use.Should().Throw<ArgumentException>().WithMessage($"'{name}' cannot name a port*PORTMAP_HTTP_PORT*");
    }

    [Fact]
    public void UsePortmap_NoOwner_AddsNoService()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        int before = builder.Services.Count;

        builder.WebHost.UsePortmap(listen => throw new InvalidOperationException("nothing listens"));
        builder.WebHost.UsePortmap("http");

        builder.Services.Count.Should().Be(before);
    }

    [Fact]
    public async Task UsePortmap_PortOfUdpAlone_DoesNotStartAndSignsOut()
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UsePortmap(configure: options => (options.Owner, options.Endpoint, options.Protocol) = ("web", daemon.Endpoint, PortProtocol.Udp));
        await using WebApplication app = builder.Build();

        Func<Task> start = () => app.StartAsync().Within();

        (await start.Should().ThrowAsync<InvalidOperationException>()).WithMessage("*'web' is UDP alone*acquire it for TCP*");
        daemon.Registry.TryGetEntry("web", out _, PortProtocol.Udp).Should().BeFalse("nobody serves there");
    }

    [Fact]
    public void UsePortmap_NoBuilder_Throws() =>
        FluentActions.Invoking(() => PortmapWebHostBuilderExtensions.UsePortmap(null!)).Should().Throw<ArgumentNullException>();
}
