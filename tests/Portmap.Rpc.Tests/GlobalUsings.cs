global using FluentAssertions;
global using Portmap.TestKit;
global using Xunit;
